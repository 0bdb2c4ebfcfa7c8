"""Numbers that states give to people. With a check digit and a shape of its own, a number speaks for itself; else words must."""

from __future__ import annotations

from pointsman.signals.sensitivity.recogniser import Recogniser

_TAX = ("tax", "tin", "steuer", "fiscal", "taxpayer", "impuesto", "imposto", "itin")
_SSN = ("ssn", "social", "social security", "soc sec", "sosec", "ss#", "ss number")

NATIONAL = (
    Recogniser("us_ssn", "pii", r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b", 0.9, "us_ssn"),
    Recogniser("us_ssn_plain", "pii", r"\b[0-9]{3}[ ._/]{0,3}[0-9]{2}[ ._/]{0,3}[0-9]{4}\b", 0.8, "us_ssn", _SSN),
    Recogniser(
        "us_itin",
        "pii",
        r"\b9[0-9]{2}[- ]?(?:5[0-9]|6[0-5]|7[0-9]|8[0-8]|9[0-24-9])[- ]?[0-9]{4}\b",
        0.8,
        None,
        ("itin", "tax", "taxpayer"),
    ),
    Recogniser("us_ein", "pii", r"\b[0-9]{2}-[0-9]{7}\b", 0.6, "stdnum:us.ein", ("ein", "employer", "fein", "tax id")),
    Recogniser(
        "ca_sin",
        "pii",
        r"\b[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}\b",
        0.8,
        "stdnum:ca.sin",
        ("sin", "social insurance", "canada", "canadian", "cra"),
    ),
    Recogniser("uk_nino", "pii", r"(?i)\b[a-ceghj-prstw-z][a-ceghj-nprstw-z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[a-d]\b", 0.85, "mixed"),
    Recogniser("ie_pps", "pii", r"(?i)\b[0-9]{7}[a-w][a-iw]?\b", 0.8, "stdnum:ie.pps", ("pps", "ppsn", "irish", "ireland")),
    Recogniser("es_dni", "pii", r"\b[0-9]{8}[ -]?[A-Za-z]\b", 0.85, "stdnum:es.dni"),
    Recogniser("es_nie", "pii", r"\b[XYZxyz][ -]?[0-9]{7}[ -]?[A-Za-z]\b", 0.9, "stdnum:es.nie"),
    Recogniser(
        "it_codice_fiscale",
        "pii",
        r"(?i)\b[a-z]{6}[0-9lmnpqrstuv]{2}[abcdehlmprst][0-9lmnpqrstuv]{2}[a-z][0-9lmnpqrstuv]{3}[a-z]\b",
        0.95,
        "stdnum:it.codicefiscale",
    ),
    Recogniser(
        "fr_nir",
        "pii",
        r"\b[1278][ .]?[0-9]{2}[ .]?[0-9]{2}[ .]?[0-9][0-9ABab][ .]?[0-9]{3}[ .]?[0-9]{3}[ .]?[0-9]{2}\b",
        0.9,
        "stdnum:fr.nir",
    ),
    Recogniser(
        "de_tax",
        "pii",
        r"\b[1-9][0-9](?:[ /]?[0-9]{3}){3}\b",
        0.8,
        "stdnum:de.idnr",
        ("steuer", "steuer-id", "idnr", "identifikationsnummer", "steueridentifikationsnummer", "steuernummer", "tin", "tax"),
    ),
    Recogniser(
        "nl_bsn",
        "pii",
        r"\b[0-9]{9}\b|\b[0-9]{4}[. ][0-9]{2}[. ][0-9]{3}\b",
        0.8,
        "stdnum:nl.bsn",
        ("bsn", "burgerservicenummer", "sofinummer", "dutch", "citizen service"),
    ),
    Recogniser(
        "be_nn",
        "pii",
        r"\b[0-9]{2}[. ]?[0-9]{2}[. ]?[0-9]{2}[- ]?[0-9]{3}[. ]?[0-9]{2}\b",
        0.85,
        "stdnum:be.nn",
        ("rijksregister", "registre", "national number", "nationaal", "belgian", "niss", "insz"),
        0.5,
    ),
    Recogniser("pl_pesel", "pii", r"\b[0-9]{11}\b", 0.85, "stdnum:pl.pesel", ("pesel", "polish", "polska", "ewidency"), 0.5),
    Recogniser("pt_nif", "pii", r"\b[1-35689][0-9]{8}\b", 0.75, "stdnum:pt.nif", ("nif", "contribuinte", "portug")),
    Recogniser("se_personnummer", "pii", r"\b(?:19|20)?[0-9]{6}[-+][0-9]{4}\b", 0.8, "stdnum:se.personnummer"),
    Recogniser("dk_cpr", "pii", r"\b[0-9]{6}-?[0-9]{4}\b", 0.7, "stdnum:dk.cpr", ("cpr", "personnummer", "danish", "dansk")),
    Recogniser(
        "no_fodselsnummer",
        "pii",
        r"\b[0-9]{6} ?[0-9]{5}\b",
        0.85,
        "stdnum:no.fodselsnummer",
        ("fodselsnummer", "personnummer", "norwegian", "norsk"),
        0.5,
    ),
    Recogniser("fi_hetu", "pii", r"\b[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-Y]\b", 0.85, "stdnum:fi.hetu"),
    Recogniser("ch_ahv", "pii", r"\b756[. ]?[0-9]{4}[. ]?[0-9]{4}[. ]?[0-9]{2}\b", 0.9, "stdnum:ch.ssn"),
    Recogniser(
        "at_svnr",
        "pii",
        r"\b[0-9]{4} ?[0-9]{6}\b",
        0.75,
        "stdnum:at.vnr",
        ("svnr", "sozialversicherung", "versicherungsnummer", "sv-nummer"),
    ),
    Recogniser("br_cpf", "pii", r"\b[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}\b", 0.95, "stdnum:br.cpf"),
    Recogniser(
        "br_cpf_plain",
        "pii",
        r"\b[0-9]{3}[ .]?[0-9]{3}[ .]?[0-9]{3}[ -]?[0-9]{2}\b",
        0.8,
        "stdnum:br.cpf",
        ("cpf", "brasil", "brazil", "cadastro"),
        0.5,
    ),
    Recogniser("mx_curp", "pii", r"\b[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[0-9A-Z][0-9]\b", 0.95, "stdnum:mx.curp"),
    Recogniser("ar_dni", "pii", r"\b[0-9]{2}\.?[0-9]{3}\.?[0-9]{3}\b", 0.7, None, ("dni", "documento nacional")),
    Recogniser("ar_cuit", "pii", r"\b(?:2[0347]|3[034])-?[0-9]{8}-?[0-9]\b", 0.85, "stdnum:ar.cuit"),
    Recogniser("cl_rut", "pii", r"\b[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9Kk]\b", 0.9, "stdnum:cl.rut"),
    Recogniser("co_nit", "pii", r"\b[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}-[0-9]\b", 0.7, "stdnum:co.nit", ("nit", "colombia")),
    Recogniser(
        "in_aadhaar",
        "pii",
        r"\b[2-9][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}\b",
        0.9,
        "stdnum:in_.aadhaar",
        ("aadhaar", "aadhar", "uidai", "uid", "आधार"),
        0.55,
    ),
    Recogniser("in_pan", "pii", r"\b[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]\b", 0.85, "stdnum:in_.pan"),
    Recogniser("cn_id", "pii", r"\b[1-9][0-9]{16}[0-9Xx]\b", 0.95, "stdnum:cn.ric"),
    Recogniser("kr_rrn", "pii", r"\b[0-9]{6}-[1-8][0-9]{6}\b", 0.9, "stdnum:kr.rrn"),
    Recogniser(
        "jp_my_number", "pii", r"\b[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}\b", 0.7, "stdnum:jp.in_", ("my number", "マイナンバー", "個人番号")
    ),
    Recogniser("sg_nric", "pii", r"\b[STFGM][0-9]{7}[A-Z]\b", 0.85, "mixed"),
    Recogniser("my_nric", "pii", r"\b[0-9]{6}-[0-9]{2}-[0-9]{4}\b", 0.85, "stdnum:my.nric"),
    Recogniser("au_tfn", "pii", r"\b[0-9]{3} ?[0-9]{3} ?[0-9]{2,3}\b", 0.8, "stdnum:au.tfn", ("tfn", "tax file")),
    Recogniser("au_medicare", "phi", r"\b[2-6][0-9]{3} ?[0-9]{5} ?[0-9]\b", 0.7, None, ("medicare",)),
    Recogniser(
        "za_id",
        "pii",
        r"\b[0-9]{6} ?[0-9]{4} ?[01][89][0-9]\b",
        0.85,
        "stdnum:za.idnr",
        ("south africa", "id number", "sa id", "identity"),
        0.55,
    ),
    Recogniser("tr_kimlik", "pii", r"\b[1-9][0-9]{10}\b", 0.85, "stdnum:tr.tckimlik", ("kimlik", "tc", "tckn", "turk", "turkish"), 0.5),
    Recogniser("il_id", "pii", r"\b[0-9]{9}\b", 0.75, "stdnum:il.idnr", ("teudat", "israel", "israeli", "zehut", "תעודת זהות")),
    Recogniser("ro_cnp", "pii", r"\b[1-9][0-9]{12}\b", 0.9, "stdnum:ro.cnp"),
    Recogniser("bg_egn", "pii", r"\b[0-9]{10}\b", 0.8, "stdnum:bg.egn", ("egn", "егн", "bulgaria")),
    Recogniser("cz_rc", "pii", r"\b[0-9]{6}/[0-9]{3,4}\b", 0.85, "stdnum:cz.rc"),
    Recogniser(
        "passport",
        "pii",
        r"(?i)\b(?:passport|pasaporte|passeport|reisepass|passaporto|passaporte|paspoort)(?:nummer|\s{0,2}(?:n"
        r"umber|num|no|nr|#|id))?[\s.:#]{1,4}(?:is|ist|es|:|=)?\s{0,3}((?:[A-Z]{1,3}[- ]?)?[0-9]{5,9}[A-Z]?[0-"
        r"9]{0,2})\b",
        0.8,
    ),
    Recogniser(
        "driver_license",
        "pii",
        r"(?i)\b(?:driv(?:er|ing)(?:'?s)?\s?(?:licen[sc]e|permit)|dl|fuhrerschein|permis de conduire|licencia "
        r"de conducir|licen[sc]e)\s{0,2}(?:number|num|no|nr|#|id)?[\s.:#]{1,4}(?:is|:|=)?\s{0,3}([A-Z]{0,5}[ -"
        r"]?[0-9][0-9A-Z]{0,18}(?:[ -][A-Z]{0,3}[0-9][0-9A-Z]{0,9}){0,5})\b",
        0.75,
        "number",
    ),
    Recogniser("tax_number", "pii", r"\b[0-9]{2,3}[/ ][0-9]{3,4}[/ ][0-9]{4,5}\b", 0.6, None, _TAX),
)
"""By country code, as in ISO 3166; where they are read as plain digits only words nearby make them one."""
