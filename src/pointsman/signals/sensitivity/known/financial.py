"""Cards, accounts, wallets."""

from __future__ import annotations

from pointsman.signals.sensitivity.recogniser import Recogniser

_CARD = (
    "card",
    "credit",
    "debit",
    "visa",
    "mastercard",
    "amex",
    "cc",
    "pan",
    "tarjeta",
    "carte",
    "karte",
    "carta",
    "kreditkarte",
    "cartao",
    "kaart",
    "карта",
    "卡",
    "カード",
)

FINANCIAL = (
    Recogniser("card", "financial", r"\b[0-9](?:[ \t._/-]{0,3}[0-9]){12,22}\b", 0.95, "card"),
    Recogniser("card_by_context", "financial", r"\b[2-6][0-9]{3}(?:[ .-]?[0-9]{4}){2}[ .-]?[0-9]{1,7}\b", 0.6, None, _CARD),
    Recogniser("card_short", "financial", r"\b(?:50|5[6-9]|6[0-9])[0-9]{10}\b", 0.7, "luhn", _CARD),
    Recogniser("card_code", "financial", r"(?i)\b(?:cvv2?|cvc2?|csc|security code)\b[^0-9\n]{1,12}([0-9]{3,4})\b", 0.7),
    Recogniser("iban", "financial", r"\b[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,38}\b", 0.98, "iban"),
    Recogniser("bic", "financial", r"\b[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?\b", 0.6, "stdnum:bic", ("bic", "swift")),
    Recogniser("us_routing", "financial", r"\b[0-3][0-9]{8}\b", 0.8, "stdnum:us.rtn", ("routing", "aba", "rtn", "ach", "transit")),
    Recogniser(
        "bank_account",
        "financial",
        r"(?i)\b(?:account|acct|a/c|konto|cuenta|compte|conto|conta|rekening)(?:nummer|\s{0,2}(?:number|num|no"
        r"|nr|#|n[uú]mero))?[\s.:#]{1,4}(?:is|ist|es|e|:|=)?\s{0,3}([0-9](?:[ -]?[0-9]){5,19})\b",
        0.7,
        "number",
    ),
    Recogniser("sort_code", "financial", r"\b[0-9]{2}-[0-9]{2}-[0-9]{2}\b", 0.7, None, ("sort code", "sortcode")),
    Recogniser("bitcoin", "financial", r"\b(?:bc1[a-z0-9]{11,71}|[13][1-9A-HJ-NP-Za-km-z]{25,34})\b", 0.9, "stdnum:bitcoin"),
    Recogniser(
        "ethereum",
        "financial",
        r"\b0x[0-9a-fA-F]{40}\b",
        0.6,
        None,
        ("eth", "ethereum", "wallet", "address", "erc20", "send", "transfer"),
    ),
)
"""`card_by_context` is for numbers of which a digit is wrong, masked or from a test."""
