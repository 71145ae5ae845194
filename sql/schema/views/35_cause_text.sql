-- Why a connection ended or a gap is there, for people to read. The collector gives causes in English, as data.

CREATE OR REPLACE FUNCTION cause_text(cause text, language text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT coalesce(
    (
        SELECT regexp_replace(cause, wording.english, wording.korean)
        FROM (
            VALUES
            ('^late start$', '수집을 늦게 시작'),
            ('^collector away$', '수집기가 꺼져 있음'),
            ('^collector killed$', '수집기 강제 종료'),
            ('^stopped$', '수집기 정지'),
            ('^broadcast ended$', '방송 종료'),
            ('^chat channel changed$', '채팅방 변경'),
            ('^no room$', '저장 공간 부족'),
            ('^close ([0-9]+)$', '연결 종료 (코드 \1)'),
            ('^silent for ([0-9.]+) s$', '\1초 동안 응답 없음'),
            ('^connection lost( in the handshake| while sending)?$', '연결 끊김'),
            ('^connect failed: (\w+)$', '연결 실패 (\1)'),
            ('^handshake ([0-9]+)$', '연결 거절 (HTTP \1)'),
            ('^refused with code (-?[0-9]+)$', '입장 거절 (코드 \1)'),
            ('^(no welcome|welcomed without a session)$', '입장 응답 없음'),
            ('^no goodbye$', '종료 응답 없음'),
            ('^socket error: (\w+)$', '소켓 오류 (\1)'),
            ('^unknown$', '알 수 없음')
        ) AS wording (english, korean)
        WHERE language = 'ko' AND cause ~ wording.english
    ),
    cause
)
$$;

COMMENT ON FUNCTION cause_text(text, text) IS
'A cause of table gap or connection in Korean (ko), or else as it is; so is a cause that is not known.';
