"""The kinds of sensitive content: what a humanitarian organisation's integrity line must hear of."""

from enum import StrEnum


class SensitivityLevel(StrEnum):
    """How soon somebody who is trained for it should look. It follows from the type; no model decides it."""

    URGENT = "urgent"
    SERIOUS = "serious"
    CAREFUL = "careful"


class SensitiveType(StrEnum):
    """One kind of sensitive content. Aid workers are staff, volunteers, contractors and partners of any aid."""

    SEXUAL_EXPLOITATION_ABUSE = "sexual_exploitation_abuse"
    SEXUAL_HARASSMENT = "sexual_harassment"
    SEXUAL_VIOLENCE = "sexual_violence"
    GENDER_BASED_VIOLENCE = "gender_based_violence"
    CHILD_SAFEGUARDING = "child_safeguarding"
    CHILD_ABUSE = "child_abuse"
    CHILD_LABOUR = "child_labour"
    CHILD_MARRIAGE = "child_marriage"
    SEPARATED_CHILD = "separated_child"
    HUMAN_TRAFFICKING = "human_trafficking"
    FORCED_LABOUR = "forced_labour"
    CORRUPTION = "corruption"
    BRIBERY = "bribery"
    EXTORTION = "extortion"
    FRAUD = "fraud"
    IMPERSONATION = "impersonation"
    THEFT = "theft"
    AID_DIVERSION = "aid_diversion"
    NEPOTISM = "nepotism"
    CONFLICT_OF_INTEREST = "conflict_of_interest"
    STAFF_MISCONDUCT = "staff_misconduct"
    THREATS_TO_STAFF = "threats_to_staff"
    THREATS_TO_COMMUNITY = "threats_to_community"
    VIOLENCE = "violence"
    ARMED_ACTIVITY = "armed_activity"
    DETENTION_DISAPPEARANCE = "detention_disappearance"
    SELF_HARM_SUICIDE = "self_harm_suicide"
    DISCRIMINATION = "discrimination"
    HATE_SPEECH = "hate_speech"
    RETALIATION = "retaliation"
    DATA_BREACH = "data_breach"
    HARMFUL_AID = "harmful_aid"
    PROTECTION_RISK = "protection_risk"

    @property
    def description(self) -> str:
        """What belongs under it, in one line."""
        return _KNOWN[self][1]

    @property
    def level(self) -> SensitivityLevel:
        """How soon somebody should look."""
        return _KNOWN[self][0]


_U, _S, _C = SensitivityLevel.URGENT, SensitivityLevel.SERIOUS, SensitivityLevel.CAREFUL
_T = SensitiveType

_KNOWN: dict[SensitiveType, tuple[SensitivityLevel, str]] = {
    _T.SEXUAL_EXPLOITATION_ABUSE: (
        _U,
        "An aid worker asks for sex, or takes it, by force or for food, money, shelter, a job or a place on a list.",
    ),
    _T.SEXUAL_HARASSMENT: (_S, "Unwanted sexual words, messages, looks or touching, by anybody."),
    _T.SEXUAL_VIOLENCE: (_U, "Rape or sexual assault, or the attempt, by anybody who is no aid worker or not known."),
    _T.GENDER_BASED_VIOLENCE: (
        _U,
        "Other violence because of gender: by a husband or partner, in the family, genital cutting, honour crimes.",
    ),
    _T.CHILD_SAFEGUARDING: (_U, "An aid worker or teacher of a programme harms a child, or puts one in danger."),
    _T.CHILD_ABUSE: (_U, "Others beat, neglect, abandon or exploit a child."),
    _T.CHILD_LABOUR: (_S, "Children work or beg instead of going to school, or in dangerous work."),
    _T.CHILD_MARRIAGE: (_S, "A child is married, or is to be."),
    _T.SEPARATED_CHILD: (_U, "A child is lost, alone, or without anybody who looks after it."),
    _T.HUMAN_TRAFFICKING: (_U, "People are sold, smuggled or lured away by false promises, for sex, work or organs."),
    _T.FORCED_LABOUR: (_S, "Adults must work without pay, under threat, for a debt, or for aid that is free."),
    _T.CORRUPTION: (_S, "An office or power is used for private gain, in another way than the types that follow."),
    _T.BRIBERY: (_S, "Money, goods or a favour asked, offered or paid for what is free or for a decision."),
    _T.EXTORTION: (_S, "Money or goods taken by threats or force: at a roadblock, by a gang, from those who got aid."),
    _T.FRAUD: (_S, "Deceit for gain: false names, lists, papers, signatures, invoices; aid drawn twice."),
    _T.IMPERSONATION: (_S, "Strangers pass themselves off as the organisation to get money, data or people."),
    _T.THEFT: (_S, "Money, goods or belongings are stolen or robbed, of people or of the organisation."),
    _T.AID_DIVERSION: (_S, "Aid is sold, kept back or given to others than those it is for."),
    _T.NEPOTISM: (_S, "Aid, jobs or places on a list go to relatives, friends or the own group."),
    _T.CONFLICT_OF_INTEREST: (_S, "Who decides has an interest in it: a manager's own firm gets the contract."),
    _T.STAFF_MISCONDUCT: (
        _S,
        "Other bad conduct of aid workers: insults, shouting, drink, drugs, humiliation, negligence.",
    ),
    _T.THREATS_TO_STAFF: (_U, "Threats, planned attacks or attacks against aid workers, their offices or vehicles."),
    _T.THREATS_TO_COMMUNITY: (_U, "Threats or intimidation against community members, or fear of an attack."),
    _T.VIOLENCE: (_U, "Beating, stabbing, shooting, killing, fights, riots, by anybody; also where it is long over."),
    _T.ARMED_ACTIVITY: (_U, "Armed groups, soldiers, weapons, mines, shelling, recruitment by force."),
    _T.DETENTION_DISAPPEARANCE: (_U, "People are arrested without reason, abducted, held, tortured or missing."),
    _T.SELF_HARM_SUICIDE: (_U, "Somebody wants to die or to hurt themselves, tried it, did it, or sees no way out."),
    _T.DISCRIMINATION: (
        _S,
        "People are left out or treated worse for who they are: origin, religion, gender, age, disability, politics.",
    ),
    _T.HATE_SPEECH: (_S, "Hatred against a group, calls for violence or expulsion, rumours that blame one."),
    _T.RETALIATION: (_U, "Somebody is punished, or afraid to be, because they complained or might complain."),
    _T.DATA_BREACH: (_S, "Personal data, photos or a complaint got to people who should not have them."),
    _T.HARMFUL_AID: (_S, "Aid or a service made people ill, hurt them or put them in danger: spoilt food, a bad roof."),
    _T.PROTECTION_RISK: (
        _C,
        "Another danger to people's safety, rights or life: eviction, unsafe places, life-threatening illness.",
    ),
}
