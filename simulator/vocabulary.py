"""The vocabulary: what a Korean chat says, in calm and when something happens."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence


def _phrases(text: str) -> tuple[str, ...]:
    """The phrases of a text that separates them by bars."""
    return tuple(phrase.strip() for phrase in text.split("|"))


# Ordinary talk between the bursts.
SMALL_TALK: Sequence[str] = _phrases(
    """
    안녕하세요 | 안녕하세요~ | ㅎㅇ | ㅎㅇㅎㅇ | 하이요 | 오늘 일찍 켜셨네 | 저녁 드셨어요? | 밥은 먹었음? |
    퇴근하고 왔어요 | 오늘 뭐함? | 이거 무슨 게임이에요? | 이거 언제 나온 게임임 | 노래 제목 뭐예요? | 노래 좋다 |
    방금 들어왔는데 뭐임 | 렉 걸리나요 저만? | 화질 왜이럼 | 소리 조금만 키워주세요 | 마이크 소리 좋네요 |
    구독 갱신하고 왔습니다 | 오늘 몇시까지 해요? | 내일도 방송하나요 | 출근해야되는데 | 시험기간인데 보고있음 |
    라면 끓이는중 | 치킨 시켰다 | 배고프다 | 졸리다 | ㅇㅇ | ㄴㄴ | ㄱㄱ | ㄱㅅ | ㅇㅈ | ㄹㅇ | ㄹㅇㅋㅋ |
    그건 좀 | 아니 그게 아니라 | 왼쪽이요 왼쪽 | 뒤에 뒤에 | 저기 상자 있음 | 템 정리 좀 해요 | 물약 먹어요 |
    천천히 해도 됨 | 이 판은 이긴듯 | 아 아깝다 | 까비 | 다음판 가자 | 공략 보고 하세요 ㅋㅋ | 훈수 금지 |
    스포 ㄴㄴ | 그냥 가죠 | 괜찮아요 | 잘하고 있어요 | 화이팅 | 파이팅!! | 귀엽다 | 목소리 좋다 |
    오늘 컨디션 좋아보이네 | 머리 자르셨어요? | 옷 어디꺼예요 | 강아지 보여주세요 | 고양이 어디감 | 이건 인정 |
    맞지 맞지 | 그치 | 아하 | 오호 | 음.. | 글쎄요 | 그럴수도 | 아닌데? | 누가 그랬어 | 나만 그런가 | 저도요 |
    저요저요 | 2트 가자 | 3트각 | 오늘 안에 깨나요 | 세이브 했음? | 세이브부터 하세요 | 클립 따주세요 |
    이따 다시보기 봐야지 | 잠깐 물 떠올게요 | 다녀오세요 | 어서오세요 | 수고하셨습니다 | 잘자요 | 굿나잇 | 출첵 |
    출석체크요
    """
)

# Reactions that fit any eruption.
REACTIONS: Sequence[str] = _phrases(
    """
    ㄷㄷ | ㄷㄷㄷ | ㄷㄷㄷㄷㄷ | 와 | 와... | 와 미쳤다 | 미쳤다 | 미쳤네 진짜 | 헐 | 헐 대박 | 대박 | 레전드 |
    이게 되네 | 이게 되네ㅋㅋㅋ | 이게 맞나 | ??? | ?????? | !!!! | 실화냐 | 뭐야 이거 | 방금 뭐임 | 클립각 |
    이건 클립이다 | 지렸다 | 소름 | ㅁㅊ | ㄹㅇ 미침 | 개쩐다
    """
)

# What the chat talks about during a burst of each theme: words that a keyword search should find.
THEMES: Mapping[str, Sequence[str]] = {
    "play": _phrases(
        """
        슈퍼플레이 | 1대5 클러치 | 클러치 미쳤다 | 에임 뭐냐 | 헤드샷 ㄷㄷ | 펜타킬 | 펜타킬!!! | 프로 가자 |
        이걸 이기네 | 역전 ㄷㄷ
        """
    ),
    "fail": _phrases(
        """
        낙사 ㅋㅋㅋㅋ | 또 낙사 | 점프 실패 ㅋㅋ | 아니 거기서 왜 뛰어 | 처음부터 ㅋㅋㅋ | 세이브 날아감 |
        컨트롤 뭐냐고 | 낙사 장인 | 멘붕 ㅋㅋㅋ
        """
    ),
    "horror": _phrases(
        """
        깜짝이야 | 갑툭튀 | 갑툭튀 조심 | 비명 ㅋㅋㅋㅋ | 귀신 ㄷㄷ | 심장 떨어질뻔 | 뒤에 귀신 | 불 켜줘요 |
        비명 데시벨 뭐냐
        """
    ),
    "song": _phrases(
        """
        노래 미쳤다 | 고음 뭐야 | 3단 고음 | 앵콜 | 앵콜!! | 가수다 | 음원 내주세요 | 고음 ㄷㄷㄷ | 라이브 실화 |
        앵앵콜
        """
    ),
    "goal": _phrases(
        """
        골!!!!! | 골골골 | 극장골 | 결승골 ㄷㄷ | 프리킥 미쳤다 | 키퍼 뭐함 | VAR 봐야됨 | 오프사이드 아님? |
        해트트릭
        """
    ),
    "gacha": _phrases(
        """
        가챠 떴다 | 전설 떴다 | 황금빛 ㄷㄷ | 천장 안쳤네 | 단차 전설 | 확률 0.1퍼 | 가챠 신 | 운 다썼다 |
        픽뚫 ㅋㅋ
        """
    ),
    "guest": _phrases(
        """
        합방이다 | 게스트 누구야 | 목소리 들어봤는데 | 합방 레전드 | 케미 미쳤다 | 고정 가자 | 게스트 반갑습니다 |
        합방 자주해줘
        """
    ),
    "boss": _phrases(
        """
        보스 잡았다 | 보스컷 | 막타 ㄷㄷ | 드디어 깼다 | 100트 만에 클리어 | 클리어 축하 | 엔딩이다 |
        보스 피 1 남음 | 노데스 클리어
        """
    ),
}

# {:name:} in a text; the extras' emojis map gives each name its picture.
EMOJI: Sequence[str] = _phrases(
    """
    d_1 | d_2 | d_16 | d_22 | d_35 | d_42 | d_47 | d_59 | 웃음 | 눈물 | 하트뿅 | chzzkHi
    """
)
EMOJI_URL = "https://ssl.pstatic.net/static/nng/glive/icon/emoji/{name}.png"

DONATION_TEXTS: Sequence[str] = _phrases(
    """
    항상 응원합니다 | 오늘 방송도 재밌게 보고 있어요 | 치킨 사드세요 | 생일 축하드려요! | 노래 신청합니다 밤편지 |
    이거 보고 웃으세요 | 미션 성공 축하! | 첫 후원입니다 ㅎㅎ | 월급날이라 왔습니다 | 건강 챙기면서 하세요 |
    방금 플레이 미쳤다 ㄷㄷ | 화이팅 화이팅 | 커피값입니다 | 질문 있어요 최애 게임이 뭐예요?
    """
)
MISSIONS: Sequence[str] = _phrases(
    """
    노데스 클리어 | 10연승 | 3분 안에 보스컷 | 매운라면 먹기 | 고음 노래 한 곡 | 사투리로 30분 진행
    """
)
PRODUCTS: Sequence[str] = _phrases("아크릴 스탠드 | 응원 키링 | 마우스패드 | 후드집업 | 포토카드 세트")
PARTIES: Sequence[str] = _phrases("수요일 합방 파티 | 내전 파티 | 공포게임 파티 | 신년 파티")
TIERS: Sequence[str] = _phrases("새싹 구독 | 열매 구독")

NICKNAME_STARTS: Sequence[str] = _phrases(
    """
    졸린 | 배고픈 | 행복한 | 춤추는 | 달리는 | 용감한 | 수줍은 | 느긋한 | 반짝이는 | 새벽의 | 월요일의 | 퇴근한 |
    야근하는 | 노래하는 | 말많은 | 조용한 | 분홍 | 파란 | 까만 | 하얀 | 바삭한 | 촉촉한 | 매콤한 | 달콤한 |
    시원한 | 전설의 | 지나가던 | 동네 | 우주 | 고독한
    """
)
NICKNAME_ENDS: Sequence[str] = _phrases(
    """
    고양이 | 강아지 | 너구리 | 수달 | 펭귄 | 햄스터 | 두더지 | 오리 | 토끼 | 호랑이 | 감자 | 고구마 | 붕어빵 |
    떡볶이 | 만두 | 호떡 | 라면 | 치즈볼 | 개발자 | 직장인 | 대학생 | 시청자 | 돌멩이 | 구름 | 별똥별 | 선풍기 |
    이불 | 나그네 | 모험가 | 낚시꾼
    """
)

LAUGH_MAX = 22


def calm_line(rng: random.Random) -> str:
    """A line of ordinary chat."""
    dice = rng.random()
    if dice < 0.22:
        return "ㅋ" * (2 + int(rng.random() * rng.random() * LAUGH_MAX))
    line = SMALL_TALK[int(rng.random() * len(SMALL_TALK))]
    if dice < 0.34:
        return line + " " + "ㅋ" * (2 + int(rng.random() * 6))
    if dice < 0.37:
        return line + " ㅠㅠ"
    return line


def burst_line(rng: random.Random, theme: str) -> str:
    """A line said because something just happened; a good part of them name it."""
    dice = rng.random()
    if dice < 0.28:
        return "ㅋ" * (4 + int(rng.random() * LAUGH_MAX))
    if dice < 0.55:
        return REACTIONS[int(rng.random() * len(REACTIONS))]
    words = THEMES[theme]
    line = words[int(rng.random() * len(words))]
    return line + " " + "ㅋ" * (2 + int(rng.random() * 9)) if dice < 0.7 else line


def nickname(rng: random.Random) -> str:
    """A viewer's name, such as 졸린너구리42."""
    name = rng.choice(NICKNAME_STARTS) + rng.choice(NICKNAME_ENDS)
    return name + str(rng.randrange(1, 1000)) if rng.random() < 0.5 else name
