"""What expressions of PromQL name: reads a JSON list of them, prints a JSON list with what each has.

For each: its `selectors` (`metric`, `labels` of the matchers, the `function` around a range, if any) and the `labels` that it groups or
matches by, and those that it has `made` itself; or the `fault` that keeps it from being read.
"""

import json
import sys

import promql_parser as promql


def grouping(modifier):
    """Labels of `by (..)`, `without (..)`, `on (..)`, `ignoring (..)`."""
    return list(modifier.labels) if modifier is not None else []


def walk(node, function, found):
    """Collects what `node` names; `function` is the call that it is in."""
    kind = type(node)
    if kind is promql.VectorSelector:
        labels = [matcher.name for matcher in node.matchers.matchers]
        found["selectors"].append({"metric": node.name, "labels": labels, "function": function})
    elif kind is promql.MatrixSelector:
        walk(node.vector_selector, function, found)
    elif kind is promql.Call:
        if node.func.name == "label_replace":
            found["made"].append(node.args[1].val)
        for argument in node.args:
            walk(argument, node.func.name, found)
    elif kind is promql.AggregateExpr:
        found["labels"] += grouping(node.modifier)
        walk(node.expr, None, found)
    elif kind is promql.BinaryExpr:
        if node.modifier is not None:
            found["labels"] += grouping(node.modifier.matching) + list(node.modifier.group_labels or [])
        walk(node.lhs, None, found)
        walk(node.rhs, None, found)
    elif kind in (promql.ParenExpr, promql.SubqueryExpr, promql.UnaryExpr):
        walk(node.expr, function, found)
    elif kind not in (promql.NumberLiteral, promql.StringLiteral):
        raise ValueError(f"{kind.__name__} is not understood")


def read(expression):
    found = {"selectors": [], "labels": [], "made": []}
    try:
        walk(promql.parse(expression), None, found)
    except Exception as error:
        found["fault"] = str(error)
    return found


print(json.dumps([read(expression) for expression in json.load(sys.stdin)]))
