"""People at a Label Studio server, and what they have done: the reference of the soak.

They work on the server itself, past the proxy: what they did is certain.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

CLASSES = ("ham", "spam")
ACCESS_SECONDS = 240  # an access token lasts for 300
NAMES = ("ann@example.org", "bob@example.org", "cleo@example.org")


@dataclass(frozen=True)
class Said:
    """One answer as it stands on the server. `label` None is a skip; `bad` cannot be taken."""

    key: object
    label: str | None
    bad: bool
    who: str


@dataclass
class People:
    """`answers` by the number of the annotation; `stay` were taken from projects deleted since."""

    url: str
    token: str
    seed: int
    answers: dict[str, Said] = field(default_factory=dict)
    stay: dict[str, Said] = field(default_factory=dict)
    did: Counter[str] = field(default_factory=Counter)
    project: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._accounts: dict[str, int] = {}
        self._access, self._until = "", 0.0
        self._seen: list[dict[str, Any]] = []

    def act(self, times: int) -> None:
        """Do some of what people do."""
        acts = [self.answer] * 12 + [self.edit] * 4 + [self.delete_answer, self.delete_task] * 2
        acts += [self.double, self.rename, self.strange]
        self._seen = self.tasks()
        for _ in range(times):
            self._random.choice(acts)()

    def answer(self) -> None:
        """Answer a task that wants it: mostly well, sometimes with a skip or what is no answer."""
        tasks = [task for task in self._seen if not task["total_annotations"]]
        tasks = [task for task in tasks if not task["cancelled_annotations"]]
        if not tasks:
            return
        task, who = self._random.choice(tasks), self._random.choice(NAMES)
        task["total_annotations"] = 1
        given, label, bad = self._given()
        made = self._call(
            "POST",
            f"/api/tasks/{task['id']}/annotations/",
            json={**given, "completed_by": self._account(who)},
        )
        ours = "row_key" in task["data"]
        self.did["answers" if ours else "answers to tasks of others"] += 1
        if ours:
            self.answers[str(made["id"])] = Said(task["data"]["row_key"], label, bad, who)

    def edit(self) -> None:
        """Change an answer, also from good to bad and back."""
        if not self.answers:
            return
        number = self._random.choice(sorted(self.answers))
        given, label, bad = self._given()
        self._call("PATCH", f"/api/annotations/{number}/", json=given)
        known = self.answers[number]
        self.answers[number] = Said(known.key, label, bad, known.who)
        self.did["edits"] += 1

    def delete_answer(self) -> None:
        """Delete an answer."""
        if self.answers:
            number = self._random.choice(sorted(self.answers))
            self._call("DELETE", f"/api/annotations/{number}/")
            del self.answers[number]
            self.did["answers deleted"] += 1

    def delete_task(self) -> None:
        """Delete a task, with its answers."""
        if self._seen:
            task = self._seen.pop(self._random.randrange(len(self._seen)))
            numbers = [
                str(a["id"]) for a in self._call("GET", f"/api/tasks/{task['id']}/")["annotations"]
            ]
            self._call("DELETE", f"/api/tasks/{task['id']}/")
            for number in numbers:
                self.answers.pop(number, None)
            self.did["tasks deleted"] += 1

    def delete_all_tasks(self) -> None:
        """Empty the project."""
        if self.project:
            self._call("DELETE", f"/api/projects/{self.project}/tasks/")
            self.answers.clear()
            self._seen.clear()
            self.did["projects emptied"] += 1

    def delete_project(self, taken: dict[str, Said]) -> None:
        """Delete the project; answers stay as they were `taken`."""
        if self.project:
            self._call("DELETE", f"/api/projects/{self.project}/")
            self.stay |= taken
            self.answers.clear()
            self.did["projects deleted"] += 1
            self.project = 0

    def delete_account(self) -> None:
        """Delete an account; its answers stay, and nobody is said to have given them."""
        who = self._random.choice(NAMES)
        if who in self._accounts:
            self._call("DELETE", f"/api/users/{self._accounts.pop(who)}/")
            self.did["accounts deleted"] += 1

    def double(self) -> None:
        """Import tasks that are there already."""
        tasks = [task for task in self._seen if "row_key" in task["data"]]
        if tasks:
            some = self._random.sample(tasks, min(3, len(tasks)))
            self._call(
                "POST",
                f"/api/projects/{self.project}/import",
                json=[{"data": task["data"]} for task in some],
            )
            self.did["tasks doubled"] += len(some)

    def rename(self) -> None:
        """Give the project another name, or another description."""
        if self.project:
            name = f"renamed {self._random.randrange(10**6)}"
            what = self._random.choice(["title", "description"])
            self._call("PATCH", f"/api/projects/{self.project}/", json={what: name})
            self.did["projects renamed"] += 1

    def strange(self) -> None:
        """Add a task of one's own."""
        if self.project:
            page = self._call("GET", f"/api/projects/{self.project}/")["label_config"]
            mine = [{"data": dict.fromkeys(re.findall(r'"\$(\w+)"', page), "mine")}]
            self._call("POST", f"/api/projects/{self.project}/import", json=mine)
            self.did["tasks of others"] += 1

    def tasks(self) -> list[dict[str, Any]]:
        """All tasks of the project, as they are now."""
        if not self.project:
            return []
        fields = "id,data,total_annotations,cancelled_annotations"
        where = {"project": self.project, "page_size": 100_000, "include": fields}
        tasks: list[dict[str, Any]] = self._call("GET", "/api/tasks/", params=where)["tasks"]
        return tasks

    def exists(self, project: int) -> bool:
        """Whether there is a project of this number."""
        there = self._call("GET", "/api/projects/", params={"ids": project, "include": "id"})
        return bool(there["results"])

    def _given(self) -> tuple[dict[str, Any], str | None, bool]:
        """(body, label, bad) of an answer."""
        draw = self._random.random()
        if draw < 0.1:
            return {"result": [], "was_cancelled": True}, None, False
        if draw < 0.16:
            return {"result": [], "was_cancelled": False}, None, True
        label = "politics" if draw < 0.22 else self._random.choice(CLASSES)
        choice = {"from_name": "label", "to_name": "text", "type": "choices", "id": "x"}
        result = [{**choice, "value": {"choices": [label]}}]
        return {"result": result, "was_cancelled": False}, label, label not in CLASSES

    def _account(self, who: str) -> int:
        if who not in self._accounts:
            known = {user["email"]: user["id"] for user in self._call("GET", "/api/users/")}
            made = (
                known.get(who)
                or self._call("POST", "/api/users/", json={"email": who, "username": who})["id"]
            )
            self._accounts[who] = int(made)
        return self._accounts[who]

    def _call(self, verb: str, path: str, **more: Any) -> Any:
        with httpx.Client(base_url=self.url, trust_env=False, timeout=120, verify=False) as web:
            if time.monotonic() > self._until:
                refresh = {"refresh": self.token}
                self._access = web.post("/api/token/refresh/", json=refresh).json()["access"]
                self._until = time.monotonic() + ACCESS_SECONDS
            signed = {"Authorization": f"Bearer {self._access}"}
            answer = web.request(verb, path, headers=signed, **more)
            answer.raise_for_status()
            return answer.json() if answer.content else None
