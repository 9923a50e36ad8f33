"""Settings of the studio: work with no environment at all, and read everything from it when set.

Every variable is listed in docs/operators/settings.md.
"""

from pathlib import Path

from csp.constants import NONCE, NONE, SELF

from compute.kube.reach import reach_in
from studio import environment as env
from studio.signin.oidc.mapping import rules

ROOT = Path(__file__).resolve().parent.parent
DATA = env.data_folder()
BLOBS = DATA / "blobs"
RUNS = DATA / "runs"
# The documentation as a site, built at set-up (setup/docs.sh).
DOCUMENTATION = ROOT / ".mooring" / "docs"

DEBUG = env.flag("MOORING_DEBUG")
SECRET_KEY = env.text("MOORING_SECRET_KEY") or env.kept_key(DATA / "keys" / "secret_key")
# Newest key first: it encrypts; all of them decrypt.
ENCRYPTION_KEYS = env.words("MOORING_ENCRYPTION_KEYS") or env.kept_key(DATA / "keys" / "encryption_keys", "fernet").split()
ALLOWED_HOSTS = env.words("MOORING_ALLOWED_HOSTS", "*")
# The studio's address for people: what is handed over or mailed leads there, whatever name a request came by.
PUBLIC_URL = env.origin("MOORING_PUBLIC_URL")
LISTENS_ON = env.words("MOORING_LISTEN", "127.0.0.1:8080")
CSRF_TRUSTED_ORIGINS = [*env.words("MOORING_TRUSTED_ORIGINS"), *([PUBLIC_URL] if PUBLIC_URL else [])]
# Where clusters may be that people attach: what the studio calls for them lies in its own network.
CLUSTER_NETWORKS = env.parsed("MOORING_CLUSTER_NETWORKS", reach_in)
# How pods reach the studio; the supervisor fills it in from what it listens on.
STUDIO_URL_FOR_PODS = env.text("MOORING_POD_URL")
STUDIO_CA_FOR_PODS = env.text("MOORING_POD_CA")
# The image of what runs beside a job (runner/); `make run` takes it from the sandbox.
RUNNER_IMAGE = env.text("MOORING_RUNNER_IMAGE")
# What is installed into clusters (compute/extension): Helm 4, and charts and images for networks without a way out.
HELM = env.text("MOORING_HELM")
EXTENSION_CHARTS = env.text("MOORING_EXTENSION_CHARTS")
EXTENSION_CHARTS_LOGIN = env.text("MOORING_EXTENSION_CHARTS_LOGIN")
EXTENSION_CHARTS_PLAIN_HTTP = env.flag("MOORING_EXTENSION_CHARTS_PLAIN_HTTP")
EXTENSION_IMAGES = env.pairs("MOORING_EXTENSION_IMAGES")
EXTENSION_READY_SECONDS = env.number("MOORING_EXTENSION_READY_SECONDS", 600)
EXTENSION_ADDRESS_SECONDS = env.number("MOORING_EXTENSION_ADDRESS_SECONDS", 120)
# The largest request with files in it. What a job may leave: the log of one of its processes, and all its outputs.
LARGEST_UPLOAD = env.size("MOORING_LARGEST_UPLOAD", "8Gi")
LARGEST_LOG = env.size("MOORING_LARGEST_LOG", "2Gi")
LARGEST_OUTPUTS = env.size("MOORING_LARGEST_OUTPUTS", "50Gi")
# For how many days the audit keeps what people did.
AUDIT_DAYS = env.number("MOORING_AUDIT_DAYS", 730)
# How many rows a list gives as CSV.
CSV_ROWS = env.number("MOORING_CSV_ROWS", 50_000)
# How many days tokens live: unless another number is asked for, and at most (0: no end).
TOKEN_DAYS = env.number("MOORING_TOKEN_DAYS", 90)
TOKEN_LONGEST_DAYS = env.number("MOORING_TOKEN_LONGEST_DAYS", 365)
METRICS_TOKEN = env.text("MOORING_METRICS_TOKEN")
# Touched every few seconds by worker and beat, where something watches them by it.
ALIVE_FILE = env.text("MOORING_ALIVE_FILE")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.usersessions",
    "django_htmx",
    "template_partials",
    "csp",
    "ninja",
    "studio.core",
    "studio.accounts",
    "studio.signin",
    "studio.signin.oidc",
    "studio.audit",
    "studio.audit.pages",
    "studio.live",
    "studio.system",
    "studio.notices",
    "studio.api",
    "studio.tables",
    "studio.assets",
    "compute",
    "jobs",
    "endpoints",
    "studio.people",
    "studio.frame",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "studio.core.middleware.request_id",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "studio.audit.middleware.refusals",
    "studio.core.middleware.signed_in_only",
    "studio.signin.middleware.remember_use",
    "studio.signin.middleware.second_factor_first",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "studio.core.middleware.ProblemPages",
    "studio.core.middleware.refused_bodies",
]

ROOT_URLCONF = "studio.urls"
ASGI_APPLICATION = "studio.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "studio.context.navigation",
                "studio.signin.context.person",
            ],
        },
    },
]

DATABASES = {"default": env.database(env.text("DATABASE_URL"), DATA)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.text("REDIS_URL") or f"unix://{DATA}/run/redis.sock"
# kombu and redis-py spell a unix socket differently.
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://") if REDIS_URL.startswith("unix:") else REDIS_URL

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "studio.signin.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_FORMS = {
    "login": "studio.signin.forms.SignInForm",
    "change_password": "studio.signin.forms.ChangePasswordForm",
    "set_password": "studio.signin.forms.FirstPasswordForm",
    "reauthenticate": "studio.signin.forms.AskAgainForm",
}
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = None
ACCOUNT_LOGOUT_REDIRECT_URL = "/accounts/login/"
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
# Attempts that failed: ten a minute from one address, five in five minutes for one name; the rest is allauth's own.
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/300s/key"}
# Tokens that are not right, from one address within a minute.
WRONG_TOKENS_A_MINUTE = 30

# Who must have a second factor before anything else opens: operators, administrators, everyone.
SECOND_FACTOR_FOR = env.choices("MOORING_SECOND_FACTOR_FOR", ("operators", "administrators", "everyone"))
PASSWORD_SIGN_IN = env.flag("MOORING_PASSWORD_SIGN_IN", True)
# The company's OpenID provider, where there is one.
OIDC_ISSUER = env.text("MOORING_OIDC_ISSUER").strip()
OIDC_NAME = env.text("MOORING_OIDC_NAME") or "the company's account"
OIDC_CLIENT_ID = env.needed("MOORING_OIDC_CLIENT_ID", when=OIDC_ISSUER)
OIDC_CLIENT_SECRET = env.text("MOORING_OIDC_CLIENT_SECRET")
OIDC_SCOPES = env.text("MOORING_OIDC_SCOPES", "openid profile email").split()
OIDC_GROUPS_CLAIM = env.text("MOORING_OIDC_GROUPS_CLAIM", "groups")
OIDC_ROLES = env.parsed("MOORING_OIDC_ROLES", rules)
OIDC_LINK_BY_EMAIL = env.flag("MOORING_OIDC_LINK_BY_EMAIL")
OIDC_SECOND_FACTOR = env.flag("MOORING_OIDC_SECOND_FACTOR")
SOCIALACCOUNT_ADAPTER = "studio.signin.oidc.adapter.OidcAccountAdapter"
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
MFA_ADAPTER = "studio.signin.adapter.SecondFactorAdapter"
MFA_FORMS = {
    "authenticate": "studio.signin.forms.SecondStepForm",
    "reauthenticate": "studio.signin.forms.AskForCodeForm",
    "activate_totp": "studio.signin.forms.AddAppForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = PASSWORD_SIGN_IN
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "Mooring"
MFA_TOTP_TOLERANCE = 1
MFA_ALLOW_UNVERIFIED_EMAIL = True

SESSION_ENGINE = "studio.core.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.flag("MOORING_SECURE_COOKIES")
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "studio.core.pages.csrf_failed"
if env.flag("MOORING_BEHIND_TLS_PROXY"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [NONCE, SELF],
        "style-src": [NONCE, SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "manifest-src": [SELF],
        "frame-src": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}

# Bytes of people travel through the services that check them; these bound what Django itself reads into memory.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 10_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 25_000
FILE_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
FILE_UPLOAD_TEMP_DIR = str(DATA / "tmp")
(DATA / "tmp").mkdir(mode=0o700, exist_ok=True)

STATIC_URL = "/static/"
STATICFILES_DIRS = [ROOT / "static" / "dist"]
STATIC_ROOT = ROOT / "static" / "collected"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_MAX_AGE = 31536000

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
# Counts of attempts, for all processes together; they are counted while Redis is away, too.
CACHES = {
    "default": {
        "BACKEND": "studio.core.shared_cache.SharedCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cache",
        "OPTIONS": {"serializer": "studio.core.shared_cache.Plain", "socket_timeout": 2, "socket_connect_timeout": 2},
    }
}

# Without a server no mail is sent: links are handed over by whoever made them.
EMAIL_HOST = env.text("MOORING_MAIL_SERVER")
EMAIL_PORT = env.number("MOORING_MAIL_PORT", 587)
EMAIL_HOST_USER = env.text("MOORING_MAIL_USER")
EMAIL_HOST_PASSWORD = env.text("MOORING_MAIL_PASSWORD")
EMAIL_USE_TLS = env.flag("MOORING_MAIL_STARTTLS", True)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("MOORING_MAIL_FROM", "mooring@localhost")

LOGGING_CONFIG = "studio.core.logs.configure"
LOGGING = {"level": env.text("MOORING_LOG_LEVEL", "INFO"), "json": env.flag("MOORING_LOG_JSON")}
