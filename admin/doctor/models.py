"""Can the catalog be read, and can its models be run here?"""

from admin.doctor.patient import Patient, Unwell
from core.catalog import Model, read_catalog

# Those that this version of the workers has.
PROVIDERS = frozenset({"builtin", "simulator"})


def check_models(patient: Patient) -> str:
    """A provider that is off is named; what nobody could run, or price, is wrong."""
    settings = patient.settings
    models = list(read_catalog(settings.models_file, settings.missing).models.values())
    if unknown := sorted({model.provider for model in models} - PROVIDERS):
        raise Unwell(f"this version has no provider {', '.join(unknown)}: look at the models file")
    if unpriced := [model.model for model in models if not _has_prices(model)]:
        raise Unwell(f"{', '.join(unpriced)} can't be run without a price: add it to the file")
    off = {model.provider: model.missing_setting for model in models if model.missing_setting}
    ready = sum(not model.missing_setting for model in models)
    lacking = "".join(f"; {name} needs {setting}" for name, setting in sorted(off.items()))
    return f"{ready} ready{lacking}"


def _has_prices(model: Model) -> bool:
    return all(ability.price for ability in (model.video, model.image) if ability)
