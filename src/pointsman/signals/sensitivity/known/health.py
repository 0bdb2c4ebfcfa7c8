"""Numbers of patients and insured, and what is said of a person's health."""

from __future__ import annotations

from pointsman.signals.sensitivity.recogniser import Recogniser

_CONDITION = (
    r"(?:hiv|aids|cancer|diabet\w{1,8}|hepatitis|epilep\w{1,6}|depress\w{1,6}|bipolar|schizophren\w{1,6}|asthma|leuk[ae]+mia|lymphoma|tumou?r|"
    r"melanoma|dementia|alzheimer\w{0,2}|parkinson\w{0,2}|ptsd|anxiety|adhd|pregnan\w{1,4}|hypertension|stroke|copd|lupus|syphilis|tuberculosis|"
    r"multiple sclerosis|chlamydia|gonorrh\w{1,4}|anorexia|bulimia|addiction)"
)

HEALTH = (
    Recogniser(
        "uk_nhs",
        "phi",
        r"\b[0-9]{3}[ -][0-9]{3}[ -][0-9]{4}\b",
        0.8,
        "stdnum:gb.nhs",
        ("nhs", "patient", "gp", "health", "hospital"),
        0.55,
    ),
    Recogniser("uk_nhs_plain", "phi", r"\b[0-9]{10}\b", 0.8, "stdnum:gb.nhs", ("nhs", "patient", "health number", "health service"), 0.3),
    Recogniser(
        "us_medicare",
        "phi",
        r"\b[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMN"
        r"P-RT-Y]{2}[0-9]{2}\b",
        0.9,
    ),
    Recogniser(
        "medical_record",
        "phi",
        r"(?i)\b(?:mrn|medical record|patient|chart|hospital|health(?: card| insurance)?|insurance|member|poli"
        r"cy|medicaid|medicare|beneficiary|krankenversicherung\w{0,10})\s{0,2}(?:id|number|num|no|nr|#)?[\s.:#"
        r"=-]{1,4}(?:is\s|:|=)?\s{0,2}((?:[A-Za-z]{1,4}[- ]?)?[0-9][0-9-]{4,14}[A-Za-z0-9]?)\b",
        0.75,
    ),
    Recogniser("us_npi", "phi", r"\b[12][0-9]{9}\b", 0.6, None, ("npi", "national provider")),
    Recogniser("us_dea", "phi", r"\b[ABCDEFGHJKLMPRSTUX][A-Z9][0-9]{7}\b", 0.7, None, ("dea",)),
    Recogniser(
        "diagnosis_code",
        "phi",
        r"\b[A-TV-Z][0-9][0-9AB](?:\.[0-9A-TV-Z]{1,4})?\b",
        0.7,
        None,
        ("icd", "icd-10", "icd10", "diagnosis code"),
    ),
    Recogniser(
        "condition",
        "phi",
        rf"(?i)\b(?:(?:i|he|she|we|they|patient|(?:my|his|her|our|their)\s\w{{2,12}})(?:'s|'ve|'m|\s(?:has|have"
        rf"|had|is|am|are|was|were))?\s(?:just\s|recently\s|been\s|newly\s){{0,2}}(?:diagnosed with|diagnosed a"
        rf"s|treated for|tested positive for|being treated for|suffer(?:s|ing|ed)? from|hospitali[sz]ed (?:for|"
        rf"with)|living with)\s(?:\w{{1,12}}\s){{0,3}}{_CONDITION})\b",
        0.7,
    ),
    Recogniser(
        "patient_age",
        "phi",
        r"(?i)\b[0-9]{1,3}[ -]?(?:years?[ -]old|y/?o|yo|yrs?[ -]old)\s(?:(?:white|black|asian|hispanic|caucasi"
        r"an|african[ -]american)\s)?(?:female|male|man|woman|patient|boy|girl|m|f)\s(?:patient\s)?(?:with|pre"
        r"sents?|presenting|complain\w{1,4}|complains?|admitted|diagnosed|suffering|c/o|who (?:presents?|was a"
        r"dmitted))\b",
        0.75,
    ),
    Recogniser(
        "prescription",
        "phi",
        r"(?i)\b(?:patient|he|she|i|prescribed|rx|takes?|taking|started on)\b[^\n.]{0,40}\b[a-z]{5,20}\s[0-9"
        r"]{1,4}\s?(?:mg|mcg|ml|units?)\s(?:once|twice|three times|daily|bid|tid|qid|qd|po|every|per day|a day"
        r"|at night|nightly)\b",
        0.65,
    ),
)
"""A disease by itself says nothing of anybody; `condition`, `patient_age` and `prescription` want a person beside it."""
