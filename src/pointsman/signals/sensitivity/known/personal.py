"""How to reach a person, and who it is."""

from __future__ import annotations

from pointsman.signals.sensitivity.recogniser import Recogniser

_PHONE = (
    *(
        "phone",
        "telephone",
        "tel",
        "mobile",
        "cell",
        "cellphone",
        "call",
        "fax",
        "whatsapp",
        "signal",
        "sms",
        "text me",
        "message to",
        "messages to",
        "answering",
        "dial",
        "ring me",
        "contact",
        "reach",
    ),
    *(
        "hotline",
        "handy",
        "telefon",
        "telefono",
        "telefone",
        "movil",
        "celular",
        "appel",
        "appelez",
        "portable",
        "anruf",
        "rufen",
        "llama",
        "llame",
        "ligar",
    ),
    *("numero", "nummer", "registered", "mobil", "puhelin", "тел", "телефон", "电话", "手机", "電話", "전화", "هاتف"),
)
_EXTENSION = r"(?:[ ,]{0,2}(?i:x|ext|extension)[ .:]{0,2}[0-9]{1,6})?"
_STREET = (
    r"(?:street|st|avenue|ave|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|circle|cir|place|pl|square|sq|terrace|ter|parkway|pkwy|highway|hwy|"
    r"way|trail|trl|crescent|close|gardens|grove|mews|row|walk|alley|plaza|loop)"
)
_FLAT = r"(?:[,\n ]{1,3}(?i:apt|apartment|suite|ste|unit|flat)\b\.?[ ]?#?[0-9]{1,5}[A-Za-z]?\b)?"
_CAPITAL = r"[A-Z\x{C0}-\x{DE}\x{386}-\x{3AB}\x{400}-\x{42F}]"
_LETTER = r"[A-Za-z\x{C0}-\x{24F}\x{300}-\x{52F}]"
_GAP = r"[ \t+]{1,2}"
_TITLE = r"(?:(?:Mrs?|Ms|Mx|Dra?|Prof|Rev|Sra?|Hr|Fr|Mme|Mlle|Ing|Lic|Mag)\.[ \t]?)"
_PARTICLE = (
    r"(?:(?:de[lirsmn]?|dell[ae]|d[aiou]|d[ao]s|l[ae]s?|los|v[ao]n|vom|zu[mr]?|der|het|t[er]{1,2}|ten|bint?|ibn|ben|[ae]l|a[fv]|[ye])"
    rf"{_GAP})"
)
_ONE = rf"(?:(?:[dl]'|[ae]l-|St[ae]?\.[ \t-]?)?{_CAPITAL}(?:['-]?{_LETTER}){{1,39}})"
_FIRST = rf"(?:{_CAPITAL}\.[ \t-]?){{0,4}}{_ONE}"
# A dot is a part of the name after an initial alone: after a word it ends the sentence.
_NAMES = rf"({_TITLE}{{0,2}}{_PARTICLE}{{0,3}}{_FIRST}(?:{_GAP}{_PARTICLE}{{0,3}}(?:{_FIRST}|(?:{_CAPITAL}\.){{1,4}}|[A-Z]\b)){{0,6}})"
_NAME_FIELD = (
    r"(?:^|[\n,;|>\"'{(])[ \t\"']{0,4}(?i:(?:full|first|last|middle|family|given|customer|client|patient|employee|account|cardholder|"
    r"card holder|applicant|contact)?[ _]?(?:name|surname)(?: on (?:the )?(?:card|account))?)[\"'*]{0,3}\s{0,2}[:=][ \t\"'*]{0,4}"
)

PERSONAL = (
    Recogniser(
        "email",
        "pii",
        r"://[^\s/:\"'<>]{0,60}:[^\s/\"'<>]{2,200}@[A-Za-z0-9]|[A-Za-z0-9\x{C0}-\x{24F}\x{370}-\x{52F}][A-Za-z0-9\x{C0}-\x{24F}\x{370}-\x{52F}._%+'-]{0,63}\s?(?:@|[\[("
        r"{<]\s?(?i:at)\s?[\])}>])\s?(?:[A-Za-z0-9-]{1,63}\s?(?:\.|[\[({<]\s?(?i:dot)\s?[\])}>])\s?){1,6}[A-Za-z]{2,24}\b",
        0.95,
        "email",
    ),
    Recogniser("phone_international", "pii", rf"(?:\+|\b00)[ ]?[0-9][0-9 ()./-]{{6,22}}[0-9]{_EXTENSION}\b", 0.9, "phone"),
    Recogniser(
        "phone_us", "pii", rf"(?:\b1[ .-]?)?(?:\([0-9]{{3}}\)[ ]?|\b[0-9]{{3}}[ .-])[0-9]{{3}}[ .-][0-9]{{4}}{_EXTENSION}\b", 0.85, "phone"
    ),
    Recogniser("phone_by_context", "pii", rf"(?:[+(]|\b)[0-9][0-9 ()./-]{{5,22}}[0-9]{_EXTENSION}\b", 0.65, "phone_digits", _PHONE),
    Recogniser(
        "phone_national",
        "pii",
        r"\(0?[0-9]{1,4}\)[ -]?[0-9]{2,5}[ -]?[0-9]{2,5}\b|\b0[1-9][0-9]{0,3}[ /-][0-9]{2,4}(?:[ -]?[0-9]{2,4}"
        r"){1,3}\b",
        0.55,
        "phone_digits",
    ),
    Recogniser("ip_address", "pii", r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b", 0.6, "public_address"),
    Recogniser("ipv6_address", "pii", r"(?i)\b(?:[0-9a-f]{1,4}:){2,7}(?::?[0-9a-f]{1,4}){1,6}\b", 0.6, "public_address"),
    Recogniser(
        "birth_date",
        "pii",
        r"(?i)\b(?:d\.?o\.?b\.?|date of birth|birth ?date|born(?: on)?|birthday(?: is)?|geboren(?: am)?|geburt"
        r"sdatum|fecha de nacimiento|nacid[oa] el|date de naissance|nee? le|data di nascita)[\s:=-]{1,4}(?:is "
        r"|on )?([0-9]{1,4}[-/. ][0-9]{1,2}[-/. ][0-9]{1,4}|[0-9]{1,2}(?:st|nd|rd|th)?\.? [A-Za-z]{3,10},? [0-"
        r"9]{4}|[A-Za-z]{3,10} [0-9]{1,2}(?:st|nd|rd|th)?,? [0-9]{4})",
        0.8,
    ),
    Recogniser(
        "introduced_name",
        "pii",
        rf"\b(?i:my (?:full |last |first |middle |maiden )?name is|(?:his|her|their) (?:full )?name is|name'?s|"
        rf"mi nombre es|me llamo|je m'appelle|ich heisse|mein name ist|mi chiamo|meu nome e|call me)[ :]{{1,"
        rf"3}}[\"'*_]{{0,3}}{_NAMES}",
        0.65,
        "name",
    ),
    Recogniser("form_name", "pii", rf"{_NAME_FIELD}{_NAMES}", 0.65, "name"),
    Recogniser(
        "form_name_reversed",
        "pii",
        rf"(?m){_NAME_FIELD}({_PARTICLE}{{0,3}}{_ONE},[ \t]?{_ONE}(?:{_GAP}(?:{_ONE}|{_CAPITAL}\.?))?)[ \t]{{0,2}}(?:$|[.,;|)}}\"'\\])",
        0.65,
        "name",
    ),
    Recogniser(
        "asked_name",
        "pii",
        rf"(?i:what(?:'s| is) (?:your|the) (?:full |last |first )?name[^?\n]{{0,24}}\?)\s{{1,3}}(?i:user:|custo"
        rf"mer:|me:|-|it's|it is|i'm|i am)?\s{{0,2}}{_NAMES}",
        0.65,
        "name",
    ),
    Recogniser(
        "street_address",
        "pii",
        rf"\b[0-9]{{1,5}}[A-Za-z]?,?[ \t](?:[NSEW]\.?[ \t])?(?:[A-Z](?:[\w'-]{{1,20}}|[a-z]{{0,3}}\.)[ \t]){{1,3}}(?i:{_STREET})\b{_FLAT}",
        0.65,
    ),
    Recogniser(
        "street_address_europe",
        "pii",
        r"\b(?:[A-Z]\w{2,24}(?:stra(?:ss|ß)e|str\.|weg|gasse|platz|allee|gade|vej|gatan|vagen|gata|veien|straa"
        r"t|laan|plein|gracht)|(?:Rua|Via|Viale|Calle|Avenida|Av\.|Rue|Boulevard|Chemin|Piazza|Plaza|Paseo|Tra"
        r"vessa|Carrer|Ulica|ul\.|Ul\.)\s(?:d[aeiou][ls]?\s|de la\s|della\s|l')?[A-Z][\w'.-]{1,24}(?:\s[A-Z]["
        r"\w'.-]{1,24}){0,2}),?\s(?:n[ro]?\.?\s)?[0-9]{1,5}[a-zA-Z]?\b",
        0.65,
    ),
    Recogniser(
        "po_box",
        "pii",
        r"(?i)\b(?:p\.?\s?o\.?\s?box|postfach|apartado|casella postale|boite postale|postbus|psc [0-9]{3,5},? "
        r"box)\s?#?\s?[0-9]{2,6}\b",
        0.7,
    ),
    Recogniser(
        "stated_address",
        "pii",
        r"(?i)\b(?:(?:my|his|her|our|their|the|home|new|billing|shipping|postal|mailing|delivery|street) addre"
        r"ss(?: is|:| to)|(?:i|he|she|we|they)(?:'m|'s|'re)?\s?(?:lives?|living|resides?|reside|moved) (?:at|t"
        r"o))[ :]{1,3}([0-9]{1,6}[A-Za-z]?[ ,][^\n?!;]{4,80}|[^\n?!;]{4,60}?[ ,][0-9]{1,6}[A-Za-z]?\b)",
        0.6,
        "address",
    ),
    Recogniser(
        "postal_code",
        "pii",
        r"(?i)\b(?:zip(?: ?code)?|postal code|postcode|post code|plz|postleitzahl|code postal|codigo postal|ca"
        r"p)\s?(?:is|:|=|#)\s?((?-i:[0-9]{4} ?[A-Z]{2})|[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]|"
        r"[0-9]{5}-[0-9]{3,4}|[0-9]{2,3}[ -][0-9]{2,4}|[A-Z]{0,2}-?[0-9]{3,7})\b",
        0.6,
        "has_digit",
    ),
)
"""Names and addresses only where the sentence or the form says that they are; a name in passing is not found."""
