"""Pulp as the tests run it: everything in one throw-away folder, no Redis, tokens on, one address for all its programs."""

import os
from pathlib import Path

FOLDER = os.environ["COUNTERSIGN_PULP_FOLDER"]
ORIGIN = os.environ["COUNTERSIGN_PULP_ORIGIN"]

# A secret of nothing: it lives as long as a test does, on loopback.
SECRET_KEY = "countersign-tests"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "pulp",
        "USER": "pulp",
        "HOST": f"{FOLDER}/database",
    }
}
DB_ENCRYPTION_KEY = f"{FOLDER}/fields.key"
DEPLOY_ROOT = Path(FOLDER)
MEDIA_ROOT = f"{FOLDER}/media"
STATIC_ROOT = f"{FOLDER}/assets"
WORKING_DIRECTORY = f"{FOLDER}/tmp"
FILE_UPLOAD_TEMP_DIR = f"{FOLDER}/tmp"
CACHE_ENABLED = False

CONTENT_ORIGIN = ORIGIN
TOKEN_SERVER = f"{ORIGIN}/token/"
TOKEN_SIGNATURE_ALGORITHM = "ES256"
PRIVATE_KEY_PATH = f"{FOLDER}/token.key"
PUBLIC_KEY_PATH = f"{FOLDER}/token.pub"
