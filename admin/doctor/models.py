"""Checks the models file and the prompt templates, and which models can be run here."""

from admin.doctor.patient import Patient, Unwell
from core.catalog.models import read_catalog
from core.catalog.prompts import read_prompts


def check_models(patient: Patient) -> str:
    """Names providers that are off. Refuses a default model that has no price."""
    settings = patient.settings
    read_prompts(settings.prompts_file)
    catalog = read_catalog(settings.models_file, settings.missing)
    if unpriced := catalog.unpriced_defaults():
        names = ", ".join(model.model for model in unpriced)
        raise Unwell(f"{names} can't be run without a price: add it to the models file")
    now = catalog.clock()
    models = [model for model in catalog.models.values() if not model.retired(now)]
    off = {model.provider: model.missing_setting for model in models if model.missing_setting}
    ready = sum(not model.missing_setting for model in models)
    lacking = "".join(f"; {name} needs {setting}" for name, setting in sorted(off.items()))
    return f"{ready} ready{lacking}"
