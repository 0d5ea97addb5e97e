"""Many rows in one statement: the rows travel as one JSON parameter, however many there are."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    bindparam,
    case,
    column,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, Insert, insert
from sqlalchemy.orm import InstrumentedAttribute

from uptainer.store.models import Base

Rows = Sequence[Mapping[str, Any]]


def recordset(model: type[Base], names: Sequence[str], rows: Rows, *, name: str = "given") -> FromClause:
    """The rows as a table whose columns have the types of the model's."""
    columns = [column(each, model.__table__.c[each].type) for each in names]
    value = bindparam(None, [dict(row) for row in rows], type_=JSONB)
    return func.jsonb_to_recordset(value).table_valued(*columns, name=name).render_derived(with_types=True)


def insert_rows(model: type[Base], rows: Rows) -> Insert:
    """`INSERT INTO model SELECT * FROM rows`; every row has the keys of the first. `rows` must not be empty."""
    names = list(rows[0])
    given = recordset(model, names, rows)
    return insert(model).from_select(names, _selected(given, names))


def upsert_rows(
    model: type[Base],
    rows: Rows,
    *,
    key: Sequence[str],
    keep: Sequence[str] = (),
    fill: Sequence[str] = (),
    add: Sequence[str] = (),
) -> Insert:
    """Insert, or overwrite the row with the same key but for its columns in `keep`.

    Those in `fill` are overwritten only by what says something (no null, no empty object or list), and those in `add`
    only where they said nothing.
    """
    statement = insert_rows(model, rows)
    kept, given = model.__table__.c, statement.excluded
    changed: dict[str, ColumnElement[Any]] = {
        name: given[name] for name in rows[0] if name not in {*key, *keep}
    }
    changed |= {name: _first_said(given[name], kept[name]) for name in fill}
    changed |= {name: _first_said(kept[name], given[name]) for name in add}
    return statement.on_conflict_do_update(index_elements=list(key), set_=changed)


def any_of(attribute: InstrumentedAttribute[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """`attribute = ANY(values)`: one parameter, however many values."""
    return attribute == func.any(bindparam(None, list(values), unique=True))


def none_of(attribute: InstrumentedAttribute[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """`attribute <> ALL(values)`; the negation of `any_of` would be `<> ANY`, which is nearly always true."""
    return attribute != func.all(bindparam(None, list(values), unique=True))


def _first_said(first: ColumnElement[Any], second: ColumnElement[Any]) -> ColumnElement[Any]:
    if not isinstance(first.type, JSONB):
        return func.coalesce(first, second)
    return case((first.in_([{}, []]), second), else_=first)


def _selected(given: FromClause, names: Sequence[str]) -> Select[Any]:
    return select(*(given.c[name] for name in names))
