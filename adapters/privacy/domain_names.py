"""Which words with a dot in them are names of the web."""

from adapters.privacy.recogniser import words

_GENERIC = words(
    """
    com org net edu gov mil int info biz name pro aero coop museum jobs mobi travel tel cat asia
    post xxx app dev page blog cloud online site website shop store tech space xyz top club live
    news media work world today life email chat link click help support care ngo ong foundation
    charity community social church global health hospital school academy university agency center
    international network systems services solutions digital group team zone africa london paris
    tokyo berlin icu vip fun win bid loan men party science trade date stream download press host
    ink wiki law legal bank finance money fund cash tax insure
    """
)
_COUNTRIES = words(
    """
    ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt
    bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er
    es et eu fi fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr
    ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk
    lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf
    ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc
    sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv
    tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw
    """
)
_OTHER_SCRIPTS = words(
    """
    укр рф бел мкд срб қаз мон бг ею онлайн сайт орг ком дети москва مصر السعودية المغرب الجزائر
    تونس فلسطين سورية سوريا عراق الاردن الأردن عمان قطر امارات الإمارات موريتانيا سودان اليمن ليبيا
    شبكة موقع بازار عرب ایران پاکستان بھارت भारत ভারত বাংলা ਭਾਰਤ భారత్ இந்தியா இலங்கை ලංකා ไทย 中国 中國
    香港 台灣 台湾 公司 网络 한국 みんな გე հայ ελ ευ ישראל
    """
)
_WORDS = words(
    """
    ac ad ai al am an as at au be bi by ca ci co da de do et fi ga go he hm id ie il im in io is it
    ja je ki la le li lo ma me mi mo mu my na ne no nu om pa pm re sa se sh si so st su ta te to tu
    un us va ve vi we ya ye yo md ml mm cm km kg ms py rs tf zip mov cat date post name work life
    help live world care top win fun
    """
)
"""Ends that are words, units or kinds of files as well: people forget the space behind a full stop."""


def is_domain(name: str, *, path: bool) -> bool:
    """Whether a name such as `example.org` is one of the web.

    Args:
        path: whether a path or a port follows it.
    """
    labels = name.split(".")
    last = labels[-1]
    if not any(character.isalpha() for label in labels[:-1] for character in label):
        return False
    if last.lower().startswith("xn--") or last in _OTHER_SCRIPTS:
        return True
    if last.lower() not in _GENERIC and last.lower() not in _COUNTRIES:
        return False
    if path or len(labels) > 2:
        return len(last) > 1 and (path or min(len(label) for label in labels) > 1)
    if last.lower() in _WORDS:
        return any(character.isdigit() or character == "-" for character in labels[0])
    # "dry.The people": a capital behind a full stop begins a sentence.
    return last.islower() or name.isupper()
