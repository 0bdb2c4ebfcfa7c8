"""Keys and tokens by what their makers put in front, and passwords by what people put in front."""

from __future__ import annotations

from pointsman.signals.sensitivity.recogniser import Recogniser

_KEYWORD = (
    r"(?:passwd|passphrase|passcode|password|passwort|contrasena|mot de passe|pwd|secret|token|credential|"
    r"(?:api|access|auth|private)[_ .-]?key|client[_ .-]?secret)"
)

_TOKENS = {
    "github_token": r"(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})",
    "gitlab_token": r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt)-[A-Za-z0-9_.-]{20,300}",
    "slack_token": r"(?:xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-[0-9]-[A-Za-z0-9-]{10,250})",
    "slack_webhook": r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,120}",
    "discord_webhook": r"discord(?:app)?\.com/api/webhooks/[0-9]{15,22}/[A-Za-z0-9_-]{40,100}",
    "openai_key": r"sk-(?:proj-|svcacct-|admin-|None-)?[A-Za-z0-9_-]{20,200}",
    "anthropic_key": r"sk-ant-[A-Za-z0-9_-]{20,200}",
    "google_key": r"AIza[A-Za-z0-9_-]{35}",
    "google_oauth": r"(?:ya29\.[A-Za-z0-9_-]{20,250}|GOCSPX-[A-Za-z0-9_-]{28})",
    "stripe_key": r"(?:[sr]k_(?:live|test)_[A-Za-z0-9]{16,250}|whsec_[A-Za-z0-9+/=]{20,100})",
    "sendgrid_key": r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}",
    "npm_token": r"npm_[A-Za-z0-9]{36}",
    "pypi_token": r"pypi-[A-Za-z0-9_-]{50,250}",
    "huggingface_token": r"(?:hf|api_org)_[A-Za-z0-9]{30,60}",
    "digitalocean_token": r"do[opr]_v1_[a-f0-9]{64}",
    "shopify_token": r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
    "twilio_key": r"(?:SK|AC)[a-f0-9]{32}",
    "mailgun_key": r"key-[a-f0-9]{32}",
    "telegram_token": r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}",
    "databricks_token": r"dapi[a-f0-9]{32}(?:-[0-9])?",
    "atlassian_token": r"ATATT3[A-Za-z0-9_=-]{20,250}",
    "vault_token": r"hv[sbr]\.[A-Za-z0-9_-]{24,250}",
    "age_key": r"AGE-SECRET-KEY-1[A-Z0-9]{58}",
    "terraform_token": r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,80}",
    "grafana_token": r"gl(?:sa|c)_[A-Za-z0-9_=+/]{32,250}",
    "newrelic_key": r"NRAK-[A-Z0-9]{27}",
    "postman_key": r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}",
    "pulumi_token": r"pul-[a-f0-9]{40}",
    "rubygems_key": r"rubygems_[a-f0-9]{48}",
    "square_token": r"(?:sq0(?:atp|csp)-[A-Za-z0-9_-]{22,43}|EAAA[A-Za-z0-9_-]{60})",
    "linear_key": r"lin_(?:api|oauth)_[A-Za-z0-9]{32,64}",
    "notion_token": r"ntn_[A-Za-z0-9]{40,60}",
    "groq_key": r"gsk_[A-Za-z0-9]{40,60}",
    "perplexity_key": r"pplx-[A-Za-z0-9]{40,60}",
    "replicate_token": r"r8_[A-Za-z0-9]{36,42}",
    "xai_key": r"xai-[A-Za-z0-9]{60,90}",
    "nvidia_key": r"nvapi-[A-Za-z0-9_-]{60,80}",
    "pointsman_key": r"pm_[A-Za-z0-9]{4,32}_[A-Za-z0-9_-]{32,100}",
    "azure_sas": r"sig=[A-Za-z0-9%+/_-]{40,90}(?:%3D|=)",
    "azure_storage_key": r"AccountKey=[A-Za-z0-9+/]{80,90}={0,2}",
}

SECRETS = (
    *(Recogniser(name, "secret", rf"\b{pattern}", 0.95, "token") for name, pattern in _TOKENS.items()),
    Recogniser("aws_key", "secret", r"\b(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA|AGPA|ANPA)[A-Z2-7]{16}\b", 0.95, "not_stand_in"),
    Recogniser("jwt", "secret", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){1,3}", 0.95, "jwt"),
    Recogniser(
        "private_key",
        "secret",
        r"(?s)-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----.*?-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: B"
        r"LOCK)?-----",
        0.99,
    ),
    Recogniser(
        "private_key_head",
        "secret",
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s\\]{0,900}(?:[\s\\nr]*[A-Za-z0-9+/=]{20,})*",
        0.95,
    ),
    Recogniser("putty_key", "secret", r"PuTTY-User-Key-File-[23]: [a-z0-9-]{4,40}", 0.95),
    Recogniser(
        "connection_string",
        "credential",
        r"(?i)\b[a-z][a-z0-9+.-]{1,24}://[^\s:/@\"'<>]{0,100}:([^\s/\"'<>]{2,200})@[a-z0-9\[][a-z0-9._:\[\]-"
        r"]{1,200}",
        0.9,
        "not_stand_in",
    ),
    Recogniser(
        "connection_fields",
        "credential",
        r"(?i)\b(?:server|data source|host|endpoint|uid|user id|user|username)\s?=[^;\n]{1,100};[^\n]{0,200}?"
        r"\b(?:pwd|password)\s?=\s?([^;\s\"']{3,100})",
        0.9,
        "not_stand_in",
    ),
    Recogniser(
        "authorization_header",
        "credential",
        r"(?i)\bauthorization[\"']?\s{0,2}[:=]\s{0,2}[\"']?(?:basic|bearer|token|apikey)\s{1,2}([A-Za-z0-9+/._"
        r"~=-]{12,1000})",
        0.9,
        "mixed",
    ),
    Recogniser("bearer_token", "credential", r"\b[Bb]earer\s{1,2}([A-Za-z0-9+/._~=-]{20,1000})", 0.8, "mixed"),
    Recogniser(
        "assigned_secret",
        "credential",
        rf"(?i)(?:\b|_)[\w.-]{{0,40}}{_KEYWORD}[\w.-]{{0,20}}[\"'`]?\s{{0,3}}(?::=|=>|->|:|=)\s{{0,3}}[\"'`]?(["
        rf"^\s\"'`,;<>]{{8,200}})",
        0.75,
        "random_value",
    ),
    Recogniser(
        "stated_password",
        "credential",
        r"(?i)\b(?:password|passwd|passphrase|passcode|pwd|passwort|contrasena|mot de passe|senha|wachtwoord|п"
        r"ароль|密码|パスワード)(?: (?:for|to|of|on) [^\n:=]{1,40}?)?\s{0,2}(?:is|was|=|:|ist|es|est|was set to|to)"
        r"\s{0,2}[:=]?\s{0,2}[\"'`]?([^\s\"'`,;<>]{4,200})",
        0.7,
        "password",
    ),
)
"""A secret's value is what is taken for it; the words before it stay."""
