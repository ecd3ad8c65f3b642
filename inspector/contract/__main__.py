"""``python -m inspector.contract`` writes the JSON Schemas."""

from pathlib import Path

from inspector.contract.schemas import write_schemas

write_schemas(Path("deploy/schemas"))
