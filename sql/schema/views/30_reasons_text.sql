-- Why a peak is one, for people to read. The functions of 20_peaks.sql give reasons in English, as data; whoever shows
-- them asks this function, so that each has one wording.

CREATE OR REPLACE FUNCTION reasons_text(reasons text[], language text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT coalesce(string_agg(coalesce(in_korean.text, given.reason), ', ' ORDER BY given.i), '')
FROM unnest(reasons) WITH ORDINALITY AS given (reason, i)
LEFT JOIN LATERAL (
    SELECT regexp_replace(given.reason, wording.english, wording.korean) AS text
    FROM (
        VALUES
        ('^volume ([0-9.]+)x usual$', '채팅량이 평소의 \1배'),
        ('^surge z=([0-9.]+)$', '급증 \1σ'),
        ('^([0-9.]+)x usual$', '평소의 \1배'),
        ('^few chatters$', '소수가 작성'),
        ('^touches gap$', '수집 공백과 겹침')
    ) AS wording (english, korean)
    WHERE language = 'ko' AND given.reason ~ wording.english
) AS in_korean ON TRUE
$$;

COMMENT ON FUNCTION reasons_text(text[], text) IS
'The reasons of a peak in one line, in Korean (ko) or else as they are; so is a reason that is not known.';
