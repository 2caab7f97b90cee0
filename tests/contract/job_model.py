"""What the job automaton of the store should do: a small pure model of it."""

from dataclasses import dataclass, field

from core.events import Event
from core.jobs import MOVES, CostState, EventType, Outcome, State, Step
from tests.making import MICROS

UNSETTLED = (Outcome.OPEN, Outcome.UNKNOWN)


@dataclass
class ModelUser:
    """What a user should have, and what was read of it."""

    user_id: str
    revision: int = 0
    last_turn: int = 0
    events: list[Event] = field(default_factory=list)


@dataclass
class ModelJob:
    """What a job should be. `price` is its estimate, `actual` what the provider says it costs."""

    job_id: str
    user: ModelUser
    turn: int
    price: int
    state: State = State.QUEUED
    step: Step = Step.SUBMIT
    attempt: int = 0
    fence: int = 0
    leased: bool = False
    live: bool = False
    cancel_asked: bool = False
    started: bool = False
    late_to_start: bool = False
    late_to_end: bool = False
    outputs: int = 0
    revision: int = 0
    at_risk: bool = False
    intents: list[Outcome] = field(default_factory=list)
    cost: CostState = CostState.RESERVED
    actual: int | None = None
    on_top: int = 0

    @property
    def missed(self) -> bool:
        return self.late_to_end or (self.late_to_start and self.state is State.QUEUED)

    @property
    def waits_for_news(self) -> bool:
        return self.state is State.RECONCILING

    @property
    def reserved(self) -> int:
        return 0 if self.state.terminal else self.price

    @property
    def spent(self) -> int:
        """What the user's books should have of it."""
        if not self.state.terminal:
            return self.on_top
        actual = self.price if self.actual is None else self.actual
        ends = {CostState.CHARGED: actual, CostState.UNCERTAIN: self.price}
        return self.on_top + ends.get(self.cost, 0)

    @property
    def usual_cost(self) -> CostState:
        if not self.at_risk:
            return CostState.RELEASED
        return CostState.CHARGED if self.step is Step.FETCH else CostState.UNCERTAIN

    def moved(self, type: EventType) -> None:
        self.user.revision += 1
        self.revision = self.user.revision
        self.state = MOVES[self.state, type]
        self.started |= type is EventType.STARTED

    def claimed(self, lives: bool) -> None:
        lost = self.leased and self.step is not Step.POLL
        self.attempt += self.state is State.QUEUED or lost
        self.fence += 1
        self.leased, self.live = True, lives

    def freed(self) -> None:
        self.leased = self.live = False

    def ended(self, type: EventType, cost: CostState | None = None) -> None:
        """Without `cost` it is free, or charged once it is to be fetched; at risk in between."""
        if self.at_risk:
            self.intents = [Outcome.UNKNOWN if o is Outcome.OPEN else o for o in self.intents]
        self.cost = cost or self.usual_cost
        self.moved(type)
        self.freed()

    def settle(self, outcome: Outcome) -> None:
        """The intent that is not settled yet, if there is one."""
        self.intents = [outcome if o in UNSETTLED else o for o in self.intents]

    def begun(self) -> None:
        assert not self.at_risk
        self.moved(EventType.STARTED if self.state is State.QUEUED else EventType.UPDATED)
        self.intents.append(Outcome.OPEN)
        self.at_risk, self.step = True, Step.SUBMIT

    def accepted(self, number: int, done: bool) -> bool:
        """Whether the job goes on with it."""
        outcome = self.intents[number - 1] if number <= len(self.intents) else Outcome.ACCEPTED
        if outcome is Outcome.ACCEPTED:
            return False
        self.intents[number - 1] = Outcome.ACCEPTED
        if outcome not in UNSETTLED:
            self.on_top += self.price
            return False
        if self.state.terminal:
            return False
        if self.waits_for_news or not done:
            self.freed()
        self.step, self.cost = Step.FETCH if done else Step.POLL, CostState.RESERVED
        self.moved(EventType.STARTED if self.waits_for_news else EventType.UPDATED)
        return True

    def unknown(self) -> None:
        self.settle(Outcome.UNKNOWN)
        self.cost = CostState.UNCERTAIN
        self.moved(EventType.RECONCILING)
        self.freed()

    def sent_again(self, outcome: Outcome) -> None:
        self.settle(outcome)
        self.at_risk, self.step, self.cost = False, Step.SUBMIT, CostState.RESERVED
        self.moved(EventType.STARTED)
        self.freed()

    def not_sent(self, outcome: Outcome) -> None:
        self.settle(outcome)
        self.at_risk = False
        self.moved(EventType.UPDATED)

    def corrected(self, charged: bool, outcome: Outcome) -> None:
        self.settle(outcome)
        self.cost = CostState.CHARGED if charged else CostState.RELEASED
        self.actual = None
        self.moved(EventType.UPDATED)


def new_model_job(job_id: str, user: ModelUser, turn: int, costs: bool) -> ModelJob:
    user.revision += 1
    user.last_turn = turn
    return ModelJob(job_id, user, turn, MICROS if costs else 0, revision=user.revision)
