"""Collects everything that is wrong with one request, so that its caller hears of it at once."""

from core.errors import CapabilityUnsupported, FieldInvalid, FieldViolation

MAX_VIOLATIONS = 20


class Problems:
    """Collects wrong fields, and well-formed ones that the model can't honour."""

    def __init__(self) -> None:
        self._wrong: list[FieldViolation] = []
        # A part of `_wrong`: what would be right for another model.
        self._of_model: list[FieldViolation] = []
        self._unsupported: list[tuple[str, str]] = []

    def part(self) -> "Problems":
        """Collects wrong fields together with this one, and by itself what a model can't honour."""
        part = Problems()
        part._wrong, part._of_model = self._wrong, self._of_model
        return part

    def wrong(self, field: str, description: str, *, of_model: bool = False) -> None:
        """The field is malformed or out of every limit; with `of_model` another model would do."""
        violation = FieldViolation(field, description)
        if len(self._wrong) < MAX_VIOLATIONS and violation not in self._wrong:
            self._wrong.append(violation)
            self._of_model += [violation] if of_model else []

    def unsupported(self, field: str, supported: str = "") -> None:
        """The model does not honour the field, or only `supported`."""
        self._unsupported.append((field, supported))

    @property
    def unsupported_fields(self) -> tuple[str, ...]:
        """The fields that the model can't honour."""
        return tuple(dict.fromkeys(field for field, _ in self._unsupported))

    def raise_wrong(self) -> None:
        """
        Raises:
            FieldInvalid: naming each wrong field, if there is one.
        """
        if self._wrong:
            raise FieldInvalid(*self._wrong)

    def raise_wrong_for_all(self) -> None:
        """
        Raises:
            FieldInvalid: naming each field that is wrong whatever the model is, if there is one.
        """
        if wrong := [violation for violation in self._wrong if violation not in self._of_model]:
            raise FieldInvalid(*wrong)

    def raise_any(self, model: str) -> None:
        """
        Raises:
            FieldInvalid: naming each wrong field, if there is one.
            CapabilityUnsupported: otherwise, naming each field that `model` can't honour.
        """
        self.raise_wrong()
        if not self._unsupported:
            return
        errors = [CapabilityUnsupported(model, *item) for item in self._unsupported]
        errors[0].violations = tuple(v for error in errors for v in error.violations)
        raise errors[0]
