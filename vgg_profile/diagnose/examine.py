"""A model examined: whether PyTorch runs it, in train and in eval mode; why not; or what is hardly meant."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import replace

from torch import nn

from vgg_profile.core import units
from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.against import Mismatch, compared
from vgg_profile.diagnose.as_written import AsWritten
from vgg_profile.diagnose.draft import Defect, Draft, Family, Hint, Kind, Remark, Visit, Written, located
from vgg_profile.diagnose.given import check_channels_come_first, check_images_will_do
from vgg_profile.diagnose.modules import line_of, misspelt
from vgg_profile.diagnose.names import Unique, block_of, paper_names
from vgg_profile.diagnose.plan import Plan
from vgg_profile.diagnose.remarks import remarks
from vgg_profile.diagnose.search import Cause, Repair, needed, search
from vgg_profile.diagnose.trouble import error_line, explained, in_pythons_words, shown
from vgg_profile.diagnose.unregistered import unregistered
from vgg_profile.diagnose.words import Call, Edit, Subject


def examine(subject: Subject, shape: Shape, wanted: Sequence[Written] = (), label: str = "") -> Draft:
    """Run a model on images (C, H, W), as it is written and then mended; ``wanted`` is what it should be."""
    written = AsWritten(subject, shape)
    if written.refused:
        check_channels_come_first(subject.model, shape)
    differences = compared(written.calls(search(subject, shape).run), wanted, label) if wanted else []
    given = [each.edit for each in differences if each.edit and each.kind is not Kind.HEAD]
    is_wrong = written.refused or any(True for _ in written.rows())
    found = search(subject, shape, given) if is_wrong or given else Repair([], written.first)
    check_images_will_do(subject, written, found)
    needs = needed(subject, shape, given, found) if written.refused else []
    return _Report(subject, written, found, differences, needs).draft()


class _Report:
    """Turns calls, causes and differences into what a diagnosis says of them."""

    def __init__(
        self,
        subject: Subject,
        written: AsWritten,
        found: Repair,
        differences: Sequence[Mismatch],
        needs: Sequence[Edit],
    ) -> None:
        self.subject, self.written, self.found = subject, written, found
        self.differences, self.needs, self.run = differences, needs, found.run
        self.names: dict[tuple[int, int], str] = {}
        self.visits = self._visits()
        self.by_site = {call.site: call for call in self.run.calls if not call.is_inserted}

    def draft(self) -> Draft:
        refused, run = self.written.refused, self.run
        causes = [cause for cause in self.found.causes if refused]
        defects = [
            *self._silent(),
            *(self._defect(cause, place == 0) for place, cause in enumerate(causes)),
            *(self._difference(each) for each in self.differences if each.edit in self.needs),
            *self._stopped(causes),
            *self._rows(),
            *unregistered(self.run),
        ]
        remarks_ = remarks(run, self.written.eval, self._name, list(self.subject.births.lost.values()))
        differences = [self._difference(each) for each in self.differences if each.edit not in self.needs]
        return Draft(
            layers=tuple(visit for visit in self.visits),
            defects=tuple(sorted(defects, key=lambda defect: defect.line or 0)),
            differences=tuple(differences),
            remarks=(*remarks_, *self._overwritten(remarks_)),
            parameters=self._parameters(),
            is_chain=self._is_chain(),
            refused=in_pythons_words(self.written.failed.error) if self.written.failed.error else "",
            stopped=self._where_it_stopped(),
        )

    # -- the layers

    def _path(self) -> list[Call]:
        run = self.run
        ends = [call for result in run.results if (call := run.call_of(result))] or run.calls[-1:]
        on_it = {id(call) for call in run.leading_to(*ends)}
        weighted = [call for call in run.calls if id(call) in on_it or (call.edits and call.layer)]
        return [call for call in weighted if call.layers or call.is_inserted]

    def _visits(self) -> list[Visit]:
        keep = {id(call) for call in self._path()}
        calls = [call for call in self.run.calls if call.layers or id(call) in keep]
        entries: list[tuple[Call, int, Plan]] = []
        for call in calls:
            own = call.layers or (None,) * len(call.fixed or ())
            for place, written in enumerate(own):
                fixed = (
                    call.fixed if call.fixed is not None else tuple(map(_plain_flatten, call.layers or ()))
                )
                entries.append((call, place, Plan(written, fixed[place] if place < len(fixed) else None)))
        plans = [plan for _, _, plan in entries]
        unique, visits, first = Unique(), [], dict[int, str]()
        turns = zip(entries, paper_names(plans), block_of(plans), strict=True)
        for (call, place, plan), paper, block in turns:
            name = unique(paper)
            self.names[id(call), place] = name
            if id(call) not in keep:
                continue
            key = id(call.module)
            is_again = call.module is not None and key in first and not self._has_own(call)
            visits.append(
                Visit(
                    name,
                    plan.written,
                    plan.fixed,
                    call.output[1:],
                    block,
                    0 if is_again else self._numbers(call, plan.fixed),
                    first[key] if is_again and self._numbers(call, plan.fixed) else "",
                    all(edit.kind is not Kind.DOES_NOT_RUN for edit in call.edits),
                    bool(call.edits),
                )
            )
            if call.module is not None:
                first.setdefault(key, name)
        return visits

    def _has_own(self, call: Call) -> bool:
        return any(edit.do in ("write", "use") and edit.site == call.site for edit in call.edits)

    def _numbers(self, call: Call, fixed: Written | None) -> int:
        """The learnable numbers of a layer as it is fixed."""
        if fixed is None or (call.module is None and not call.is_inserted):
            return 0
        used = [edit.module for edit in call.edits if edit.do == "use"]
        module = used[-1] if used else call.module
        if module is None or (call.edits and not used):
            module = self.run.built(fixed)
        return sum(
            each.numel() for each in module.parameters() if not isinstance(each, nn.UninitializedParameter)
        )

    def _parameters(self) -> int:
        """Of the fixed model: of its layers, and of what a model that is no list of them has beside."""
        own = sum(visit.parameters for visit in self.visits)
        if self._is_chain():
            return own
        called = {id(each) for call in self.run.calls if call.module for each in call.module.parameters()}
        rest = (each for each in self.subject.model.parameters() if id(each) not in called)
        return own + sum(each.numel() for each in rest if not isinstance(each, nn.UninitializedParameter))

    def _is_chain(self) -> bool:
        """Whether a list of layers is the whole model."""
        path, before = self._path(), None
        ends = self.run.results
        whole = self.run.leading_to(*(self.run.call_of(result) for result in ends))
        for call in whole:
            is_known = call.layers is not None or call.is_inserted
            if not is_known or len(call.sources) != 1 or call.sources[0] is not before:
                return False
            before = call
        return len(ends) == 1 and len(path) >= len(whole)

    def _name(self, call: Call) -> str:
        return self.names.get((id(call), 0), call.what)

    # -- defects

    def _defect(self, cause: Cause, is_first: bool) -> Defect:
        edit = cause.edits[0]
        call, symptom = self.by_site[edit.site], self.by_site[cause.symptom]
        raised = symptom if symptom is not call else None
        failing = self.written.failed.failing
        line = failing.line if failing else None
        others = [self._located_fix(each) for each in cause.others]
        if cause.input:
            size = "x".join(map(str, cause.input))
            others.append(f"it takes images of {units.shape(cause.input)} as it is written: --input {size}")
        raised_line = (raised.made_at if raised else None) or (line if is_first else None)
        return Defect(
            self._place(call, edit),
            call.place if call.layer else "forward",
            self._line(call, edit),
            edit.kind,
            self._found(cause),
            edit.fits,
            self._fix(cause.edits),
            self._name(raised) if raised else "",
            raised_line if raised_line != self._line(call, edit) else None,
            tuple(others),
        )

    def _place(self, call: Call, edit: Edit) -> str:
        if edit.do != "insert":
            return self._name(call)
        inserted = [each for each in self.run.calls if each.is_inserted and edit in each.edits]
        return self._name(inserted[0]) if inserted else self._name(call)

    def _line(self, call: Call, edit: Edit) -> int | None:
        if edit.do in ("use", "follow") or edit.site.nth:
            return call.line or call.made_at
        return call.made_at

    def _found(self, cause: Cause) -> str:
        edit = cause.edits[0]
        calls = [self.by_site[each.site] for each in cause.edits]
        names = units.listed([self._name(call) for call in calls])
        if len(calls) > 1 and edit.kind is Kind.PADDING:
            return f"{names} are not padded"
        if len(calls) > 1 and edit.kind is Kind.IN_CHANNELS:
            own = units.plural(calls[0].layer.size("in_channels") if calls[0].layer else 0, "channel")
            arrive = units.listed([f"{call.arriving[1]:,}" for call in calls])
            return f"{names}, made on one line, take {own} each, and {arrive} arrive"
        return edit.found

    def _located_fix(self, edits: Sequence[Edit]) -> str:
        """The same, with the place of a change that stands elsewhere."""
        if any(edit.do != "write" for edit in edits) or len(edits) == len(self._padded(edits)) > 1:
            return self._fix(edits)
        return "; ".join(f"{self._fix([edit])} for {self._where(edit)}" for edit in edits)

    def _where(self, edit: Edit) -> str:
        call = self.by_site[edit.site]
        return located(self._name(call), call.place if call.layer else "", call.made_at)

    def _padded(self, edits: Sequence[Edit]) -> list[Edit]:
        return [edit for edit in edits if edit.kind is Kind.PADDING]

    def _fix(self, edits: Sequence[Edit]) -> str:
        """What to do, a change after the other."""
        if edits and edits[0].do == "follow" and edits[0].after:
            call, given = self.by_site[edits[0].site], self.by_site[edits[0].after]
            first = f"give {self._name(call)} what {self._name(given)} made"
            first += f" (line {call.line})" if call.line else ""
            return "; ".join([first, *([self._fix(edits[1:])] if edits[1:] else [])])
        if len(edits) == len(self._padded(edits)) > 1:
            lines = dict.fromkeys(str(self.by_site[edit.site].made_at) for edit in edits)
            layer = edits[0].layer
            padding = layer.arguments.get("padding") if layer else 1
            where = f"line{'s' * (len(lines) > 1)} {units.listed(list(lines))}"
            return f"write padding={padding} in all {len(edits)} of them ({where})"
        fixes = "; ".join(map(self._one_fix, edits))
        if len(edits) > 1 and all(edit.kind is Kind.IN_CHANNELS for edit in edits):
            return f"go on with the width of the layer before: {fixes}"
        return fixes

    def _one_fix(self, edit: Edit) -> str:
        call = self.by_site.get(edit.site)
        if edit.fix or call is None:
            return edit.fix
        if edit.do == "insert":
            return f"insert nn.{edit.layer} before {self._where(edit)}"
        if edit.site.nth and edit.do == "write":
            return f"make a layer of its own for this call: nn.{edit.layer}"
        return f"nn.{edit.layer}" if self.found.causes else f"write nn.{edit.layer}"

    def _stopped(self, causes: Sequence[Cause]) -> Iterator[Defect]:
        """What PyTorch said where the run could not go on, or where nothing else explains that it refuses."""
        run = self.run if self.run.error is not None else self.written.failed
        if run.error is None or ((causes or self.needs) and run is not self.run):
            return
        call, error = run.failing, run.error
        line = error_line(error, self.subject.path) or (call.made_at if call else self._line_of_forward())
        place = self._name(call) if call else "forward"
        if call and call.layer and run is not self.run:
            place = call.what.lower()
        refusal, fix = explained(error, self.subject.path), ""
        for kind, right in ((NotImplementedError, "forward"), (AttributeError, "__init__")):
            wrong = isinstance(error, kind) and misspelt(self.subject.model, right, self.subject.path)
            if wrong:
                name, at = wrong
                fix = f"rename {name} (line {at}) to {right}"
        yield Defect(
            place,
            call.place if call and call.layer else "forward",
            (call.made_at if call and call.layer and error_line(error, self.subject.path) is None else line),
            Kind.DOES_NOT_RUN,
            refusal.problem.removeprefix(f"{shown(self.subject.path)}: ")
            + (self.written.how and f" It is so{self.written.how}."),
            "what PyTorch runs",
            fix or refusal.next_step,
        )

    def _line_of_forward(self) -> int | None:
        """Where PyTorch did not get into ``forward``: its line, or that of the class that has none."""
        kind = type(self.subject.model)
        code = getattr(inspect.unwrap(kind.forward), "__code__", None)
        if code is not None and code.co_filename == str(self.subject.path):
            return int(code.co_firstlineno)
        wrong = misspelt(self.subject.model, "forward", self.subject.path)
        return wrong[1] if wrong else line_of(kind, self.subject.path)

    def _where_it_stopped(self) -> str:
        if self.run.error is None:
            return ""
        line = error_line(self.run.error, self.subject.path)
        return f"What follows{f' line {line}' if line else ''} could not be examined."

    def _rows(self) -> Iterator[Defect]:
        mends = [self._located_fix(cause.edits) for cause in self.found.causes]
        others = [self._located_fix(other) for cause in self.found.causes for other in cause.others]
        for call, rows in self.written.rows():
            shapes = f"{units.shape(call.arriving)} become {units.shape(call.output)}"
            found = f"{call.layer or call.what}: {shapes}, {rows}"
            yield Defect(
                self._name(self.by_site.get(call.site, call)),
                call.place if call.layer else "forward",
                call.line or call.made_at,
                Kind.ROWS,
                found,
                "one row an image, whatever the batch",
                "; ".join(mends) or "torch.flatten(x, 1), and a layer of as many values as arrive",
                others=tuple(dict.fromkeys(others)),
            )

    def _silent(self) -> Iterator[Defect]:
        run = self.written.first if not self.written.refused else self.run
        if run.error is None and run.result is None and run.calls:
            unused = run.calls[-1]
            place = f"{shown(type(self.subject.model).__name__)}.forward()"
            found, fits = "the last layer's result is dropped", "what it makes is returned"
            yield Defect(place, "", unused.line, Kind.SILENT, found, fits, "return it")

    # -- differences, and what a name lost

    def _difference(self, difference: Mismatch) -> Defect:
        call = difference.call and self.by_site.get(difference.call.site)
        name, module, line = "model", "", None
        if call is not None:
            edit = difference.edit
            name = self._place(call, edit) if edit else self._name(call)
            module, line = call.place, call.made_at
            if difference.edit and difference.edit.do == "insert":
                module = ""
                line = None
        if difference.kind is Kind.HEAD:
            name = "head"
        fix = difference.edit and self._one_fix(difference.edit)
        if not fix:
            fix = f"nn.{difference.layer}" if difference.layer else ""
        return Defect(name, module, line, difference.kind, difference.found, difference.fits, fix)

    def _overwritten(self, others: Sequence[Remark]) -> Iterator[Remark]:
        said = any(remark.kind is Hint.NO_ACTIVATION for remark in others)
        for lost in self.subject.births.lost.values():
            if lost.has_parameters or not said:
                found = f"The name {lost.name!r} is set {lost.times + 1} times on line {lost.line}"
                found += ", and only the last stays"
                yield Remark(Hint.OVERWRITTEN, lost.name, lost.line, found, "The other layers are lost.")


def _plain_flatten(layer: Written) -> Written:
    """A ``view`` into rows is a flatten, if it has run."""
    is_view = layer.arguments.keys() & {"row", "sizes", "squeezed"}
    return replace(layer, arguments={}) if layer.family is Family.FLATTEN and is_view else layer
