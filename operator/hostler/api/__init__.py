"""The API: pydantic models from which the CRDs are generated, conditions and reasons. No I/O."""
