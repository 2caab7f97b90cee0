"""The bugs, as data: what a good engineer once did, and the edits that make this product do it."""

from dataclasses import dataclass

CODE = "__import__('tests.crash.planted.code', fromlist=['code'])"


@dataclass(frozen=True)
class Edit:
    """A text in a file, and what stands there instead."""

    file: str
    text: str
    instead: str


@dataclass(frozen=True)
class Bug:
    """Something that a good engineer once did."""

    does: str
    edits: tuple[Edit, ...]


BUGS = {
    "no_cas": Bug(
        "A run writes what it believes, whoever owns the job by now.",
        (
            Edit(
                "core/store/change.py",
                "WHERE job_id = :job_id AND state = :state_before AND fence = :fence_before",
                "WHERE job_id = :job_id",
            ),
            Edit(
                "core/store/change.py",
                "if locked is None or locked.run.fence != run.fence or locked.state.terminal:\n"
                "            raise LeaseLost\n",
                f"locked = {CODE}.believed(locked)\n",
            ),
            Edit(
                "core/store/claims.py",
                "progress_message = :message\n"
                "    WHERE job_id = :job_id AND fence = :fence AND {held}",
                "progress_message = :message\n    WHERE job_id = :job_id",
            ),
        ),
    ),
    "no_lease": Bug(
        "A job is taken though another worker runs it, and submitted once more.",
        (
            Edit(
                "core/store/parts.py",
                '"(job.lease_expire_time IS NULL OR job.lease_expire_time < {now})"',
                '"TRUE"',
            ),
            Edit("core/store/parts.py", "fence = fence + 1,", "fence = fence,"),
            Edit(
                "core/store/submits.py",
                "if locked.at_risk:\n            raise LeaseLost",
                "if False:\n            raise LeaseLost",
            ),
            Edit(
                "workers/runs/pipeline.py",
                "elif claim.step is Step.SUBMIT and claim.at_risk",
                "elif False",
            ),
        ),
    ),
    "resubmit_at_once": Bug(
        "A submit of unknown outcome is simply sent again.",
        (
            Edit(
                "core/store/submits.py",
                "EventType.RECONCILING,\n            stage=Stage.RECONCILING,\n"
                "            cost_state=CostState.UNCERTAIN,",
                "EventType.UPDATED,\n            at_risk=False,",
            ),
        ),
    ),
    "retries_left_on": Bug(
        "The provider's client repeats a call that broke, as SDKs do by default.",
        (
            Edit(
                "workers/runs/submit.py",
                "return provider.submit(claim.job, key, plan)",
                f"return {CODE}.retried(lambda: provider.submit(claim.job, key, plan))",
            ),
        ),
    ),
    "settle_outside": Bug(
        "The budget is settled after the transaction that ends the job.",
        (
            Edit(
                "core/store/change.py",
                "budgets.settle(session, locked.run.user_id, locked.create_time, estimated, spent)",
                f"{CODE}.LATER.append(lambda late: budgets.settle("
                "late, locked.run.user_id, locked.create_time, estimated, spent))",
            ),
            Edit(
                "core/store/engine/database.py",
                "            return self._retried(lambda: run(transaction))\n",
                "            result = self._retried(lambda: run(transaction))\n"
                f"            {CODE}.settle_later(self)\n"
                "            return result\n",
            ),
        ),
    ),
    "usage_outside": Bug(
        "The usage of a job that ends is counted after the transaction that ends it.",
        (
            Edit(
                "core/store/change.py",
                "usage_days.ended(session, locked.columns, event.job.state, charged, uncertain)",
                f"{CODE}.LATER.append(lambda late: usage_days.ended("
                "late, locked.columns, event.job.state, charged, uncertain))",
            ),
            Edit(
                "core/store/engine/database.py",
                "            return self._retried(lambda: run(transaction))\n",
                "            result = self._retried(lambda: run(transaction))\n"
                f"            {CODE}.settle_later(self)\n"
                "            return result\n",
            ),
        ),
    ),
    "recipe_outside": Bug(
        "The recipe of an output is written after the transaction that keeps the output.",
        (
            Edit(
                "core/store/results.py",
                "recipes.insert(session, job, outputs, item)",
                f"{CODE}.LATER.append(lambda late: recipes.insert(late, job, outputs, item))",
            ),
            Edit(
                "core/store/engine/database.py",
                "            return self._retried(lambda: run(transaction))\n",
                "            result = self._retried(lambda: run(transaction))\n"
                f"            {CODE}.settle_later(self)\n"
                "            return result\n",
            ),
        ),
    ),
    "usage_of_the_estimate": Bug(
        "A job that ends is counted with its estimate, also when it cost nothing.",
        (
            Edit(
                "core/store/change.py",
                "charged, uncertain = (0, spent) if cost is CostState.UNCERTAIN else (spent, 0)",
                "charged, uncertain = (0, spent) if cost is CostState.UNCERTAIN"
                " else (estimated, 0)",
            ),
        ),
    ),
    "outbox_outside": Bug(
        "What webhooks get is written after the transaction of the change.",
        (
            Edit(
                "core/store/outbox.py",
                "session.later(_INSERT, deliveries=json.dumps(rows))",
                f"{CODE}.LATER.append(lambda late: late.run(_INSERT, deliveries=json.dumps(rows)))",
            ),
            Edit(
                "core/store/engine/database.py",
                "            return self._retried(lambda: run(transaction))\n",
                "            result = self._retried(lambda: run(transaction))\n"
                f"            {CODE}.settle_later(self)\n"
                "            return result\n",
            ),
        ),
    ),
    "any_answer_takes": Bug(
        "Whatever a receiver answers, it has taken the delivery.",
        (Edit("core/webhooks.py", "return 200 <= self.status < 300", "return self.status > 0"),),
    ),
    "id_of_each_try": Bug(
        "Each try of a delivery has an id of its own.",
        (
            Edit(
                "core/sending.py",
                "receiver = parse_receiver(",
                "delivery_id = f'{time.time_ns():x}'\n            receiver = parse_receiver(",
            ),
        ),
    ),
    "unguarded_reserve": Bug(
        "A budget is asked for room first, and reserved from without looking.",
        (
            Edit(
                "core/store/budgets.py",
                "    WHERE spending.spent + spending.reserved + :micros <= :limit_micros\n",
                "",
            ),
        ),
    ),
    "answer_before_commit": Bug(
        "The caller hears OK while the transaction is still open.",
        (
            Edit(
                "core/store/accept.py",
                "outcomes = db.write(work)",
                f"outcomes = {CODE}.answer_early(db, work)",
            ),
        ),
    ),
    "forgotten_request": Bug(
        "The request_id is noted, and never looked at.",
        (
            Edit(
                "core/store/accept.py",
                "if not new.request_id:\n            return None",
                "if True:\n            return None",
            ),
            Edit(
                "server/commands/submit.py",
                "if not options.request_id:\n            return None",
                "if True:\n            return None",
            ),
        ),
    ),
    "publish_before_commit": Bug(
        "Watchers are told inside the transaction, which may still be undone.",
        (
            Edit(
                "core/telling/changes.py",
                "        self._stream = stream\n",
                f"        self._stream = stream\n        {CODE}.TELLERS.append(self)\n",
            ),
            Edit(
                "core/store/change.py",
                "append(session, event.change)\n",
                f"append(session, event.change)\n    {CODE}.tell_early(event)\n",
            ),
        ),
    ),
    "no_gap_repair": Bug(
        "The hub takes the stream's rows as they come.",
        (
            Edit(
                "server/watch/feed.py",
                "row.revision == self.head + 1 and not self.filling",
                "row.revision > self.head",
            ),
            Edit("server/watch/feed.py", "assert line.revision == self.head + 1", "assert True"),
        ),
    ),
    "no_epoch_check": Bug(
        "A resume token is good for any history.",
        (Edit("server/watch/watcher.py", "if point.epoch != self._epoch:", "if False:"),),
    ),
    "terminal_dropped": Bug(
        "What a slow watcher has not taken yet is merged, ends and all.",
        (
            Edit(
                "server/watch/watcher.py",
                "                frames.append(frame)\n",
                "                job = line.job\n"
                "                if len(lines) < 3 or not (job and job.state.terminal):\n"
                "                    frames.append(frame)\n",
            ),
        ),
    ),
    "snapshot_in_two": Bug(
        "The revision of a snapshot is read after its jobs.",
        (
            Edit(
                "core/store/events.py",
                "unread, count, views)\n\n    return db.read(work)",
                "unread, count, views)\n\n"
                f"    return {CODE}.at_another_moment(db, db.read(work), user_id)",
            ),
        ),
    ),
    "unsigned_token": Bug(
        "A resume token is not authenticated.",
        (
            Edit(
                "core/tokens.py",
                "if not hmac.compare_digest(mac, self._mac(user_id, sealed)):",
                "if not mac:",
            ),
        ),
    ),
    "revision_from_sequence": Bug(
        "A revision is the next number of a sequence, not of the user's locked row.",
        (
            Edit(
                "core/store/change.py",
                "session.later(_BUMP, user_id=user_id)",
                f"{CODE}.next_number(session, _BUMP, user_id)",
            ),
        ),
    ),
    "half_a_file": Bug(
        "The last bytes of a result are not stored.",
        (
            Edit(
                "workers/runs/results/media.py",
                "blobs.put_file(media.blob_key, path)",
                "blobs.put_bytes(media.blob_key, path.read_bytes()[:-1])",
            ),
        ),
    ),
    "prompt_in_log": Bug(
        "A failure is logged with what was asked for.",
        (
            Edit(
                "workers/runs/submit.py",
                '"submit_outcome_unknown",',
                '"submit_outcome_unknown", asked=claim.job.final_prompt,',
            ),
        ),
    ),
    "forgotten_flow": Bug(
        "A job that is cancelled while it waits stays in its flow.",
        (
            Edit(
                "core/store/flows.py",
                "if before is State.QUEUED and after is not State.QUEUED:",
                "if before is State.QUEUED and after is State.RUNNING:",
            ),
        ),
    ),
    "started_twice": Bug(
        "A job that runs again after a reconciliation tells its start again.",
        (
            Edit(
                "core/store/notifications.py",
                "if kind is Kind.JOB_STARTED and before is not State.QUEUED:",
                "if kind is Kind.JOB_STARTED and before is State.QUEUED and told:",
            ),
        ),
    ),
    "uncounted_unread": Bug(
        "A notification is counted in all and not as unread.",
        (
            Edit(
                "core/store/notifications.py",
                "self._unread += not (before and before.is_unread)",
                "self._unread += bool(before and not before.is_unread)",
            ),
        ),
    ),
    "untold_end": Bug(
        "The notification of a job does not stand in the event of its end.",
        (
            Edit(
                "core/store/change.py",
                "Event(locked.revision, type, locked.now_ms, job, beside)",
                "Event(locked.revision, type, locked.now_ms, job, Beside() if after.terminal"
                " else beside)",
            ),
        ),
    ),
    "older_wish_wins": Bug(
        "A job applies its output although a job that was accepted later has done so.",
        (
            Edit(
                "core/store/views.py",
                "if found.wish > wish or found.is_full(max_views):",
                "if found.is_full(max_views):",
            ),
        ),
    ),
    "untold_view": Bug(
        "A view changes without a word in the event of the job that changed it.",
        (
            Edit(
                "core/store/views.py",
                "return (put(session, job.user_id, view, wish, now_ms),)",
                "put(session, job.user_id, view, wish, now_ms)\n    return ()",
            ),
        ),
    ),
    "remembered_link": Bug(
        "What a link shows is kept by the process that serves it.",
        (
            Edit(
                "server/http/shares.py",
                "item = find(share_id)\n",
                f"item = {CODE}.remembered(share_id, find)\n",
            ),
        ),
    ),
    "shares_outlive_the_bin": Bug(
        "The bin hides an item, and forgets that it is shared.",
        (
            Edit(
                "core/store/media.py",
                "    shares.revoke_items(session, media_ids)\n",
                "",
            ),
        ),
    ),
    "start_in_a_pause": Bug(
        "A claim does not look whether the queue is paused.",
        (
            Edit(
                "core/store/parts.py",
                "{left_alone_providers}) AND NOT ({is_paused})",
                "{left_alone_providers})",
            ),
        ),
    ),
    "deaf_to_a_drain": Bug(
        "A worker that an administrator drains is told of it, and goes on.",
        (
            Edit(
                "workers/upkeep/rescuer.py",
                "            self._on_drain()\n",
                "            pass\n",
            ),
        ),
    ),
    "uncounted_end": Bug(
        "A job that is reconciled counts as running for ever.",
        (
            Edit(
                "core/store/flows.py",
                "change = (after is State.RUNNING) - (before is State.RUNNING)\n",
                "change = (after is State.RUNNING) - (before is State.RUNNING)\n"
                "    change = max(change, 0) if after is State.RECONCILING else change\n",
            ),
        ),
    ),
}
