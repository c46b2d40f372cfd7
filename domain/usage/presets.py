"""The three fixed reports as questions, and their answers in the words of the reports."""

from domain.usage.answers import Group, Measures, Spread, UsageAnswer
from domain.usage.questions import UsageQuestion
from domain.usage.report import Distribution, OperationUsage, TenantUsage, View, Window


def of_tenant(tenant_id: str, window: Window) -> UsageQuestion:
    """What the tenant used."""
    return UsageQuestion(window, filters={"tenant": (tenant_id,)})


def by_tenant(window: Window) -> UsageQuestion:
    """What each tenant used."""
    return UsageQuestion(window, group_by=("tenant",))


def by_operation(window: Window) -> UsageQuestion:
    """What each operation used, over all tenants."""
    return UsageQuestion(window, group_by=("operation",))


def usage_of_tenant(tenant_id: str, window: Window, answer: UsageAnswer) -> TenantUsage:
    """The answer to `of_tenant`; zeros where nothing was used."""
    return _of_tenant(tenant_id, window, answer.total)


def usage_by_tenant(window: Window, answer: UsageAnswer) -> list[TenantUsage]:
    """The answer to `by_tenant`: every tenant by name, and last the grand total, whose `tenant_id` is None."""
    groups = [_of_tenant(group.keys["tenant"], window, group) for group in answer.groups]
    return [*groups, _of_tenant(None, window, answer.total)]


def usage_by_operation(window: Window, answer: UsageAnswer) -> list[OperationUsage]:
    """The answer to `by_operation`: every operation by name, and last the grand total, whose `operation` is None."""
    groups = [_of_operation(group.keys["operation"], window, group) for group in answer.groups]
    return [*groups, _of_operation(None, window, answer.total)]


def _of_tenant(name: str | None, window: Window, group: Group) -> TenantUsage:
    calls, invocations = _view(group.llm_calls), _view(group.invocations)
    return TenantUsage(tenant_id=name, start=window.start, end=window.end, llm_calls=calls, invocations=invocations)


def _of_operation(name: str | None, window: Window, group: Group) -> OperationUsage:
    calls, invocations = _view(group.llm_calls), _view(group.invocations)
    return OperationUsage(operation=name, start=window.start, end=window.end, llm_calls=calls, invocations=invocations)


def _view(measures: Measures) -> View:
    return View(
        total=measures.total,
        failed=measures.failed,
        unpriced=measures.unpriced,
        cost_usd=measures.cost_usd,
        failed_cost_usd=measures.failed_cost_usd,
        duration_ms=_distribution(measures.duration_ms),
        input_tokens=_distribution(measures.input_tokens),
        output_tokens=_distribution(measures.output_tokens),
    )


def _distribution(spread: Spread) -> Distribution:
    return Distribution(
        avg=spread.avg,
        min=spread.min,
        max=spread.max,
        p5=spread.percentiles.get("5"),
        p50=spread.percentiles.get("50"),
        p95=spread.percentiles.get("95"),
        total=spread.total,
    )
