//! Statements over many rows in a few fixed widths. A statement costs a thread hand-off on SQLite and
//! a round trip on PostgreSQL, so row by row is seven times slower; fixed widths stay prepared.

use super::connection::{Conn, Row, Value};

/// Rows a statement. At most 256 × 10 values: SQLite takes 32,766, PostgreSQL 65,535.
const WIDTHS: [usize; 5] = [256, 64, 16, 4, 1];

/// What begins a statement that inserts rows, before its tuples.
const INSERT: &str = "INSERT INTO ";
const VALUES: &str = "VALUES ";

/// One statement with a list of row tuples in it, written out in every width.
#[derive(Debug)]
pub(super) struct Bulk {
    columns: usize,
    numbered: [String; WIDTHS.len()],
    /// SQLite's driver looks every named place up among all others, which is quadratic in a wide statement; nameless
    /// ones it counts.
    nameless: [String; WIDTHS.len()],
}

impl Bulk {
    /// `before`, then `($1, …, $columns), …`, then `after`. Only the tuples have places for values. The first column of
    /// a row is never NULL.
    pub(super) fn new(before: &str, columns: usize, after: &str) -> Self {
        let tuples = |width: usize, place: fn(usize) -> String| {
            let places: Vec<String> = (1..=width.saturating_mul(columns)).map(place).collect();
            let tuples: Vec<String> = places
                .chunks(columns.max(1))
                .map(|tuple| format!("({})", tuple.join(",")))
                .collect();
            tuples.join(",")
        };
        let into = before
            .strip_prefix(INSERT)
            .and_then(|into| into.strip_suffix(VALUES));
        let nameless = |width: usize| {
            let tuples = tuples(width, |_| "?".to_owned());
            match into {
                // Whoever meets a fault there rolls the whole transaction back, so the statement by itself need not be able to
                // (<https://sqlite.org/lang_conflict.html>): SQLite keeps no copy of each page that it is about to change.
                Some(into) => format!(
                    "INSERT OR FAIL INTO {into}SELECT * FROM (VALUES {tuples}) WHERE column1 IS NOT NULL{after}"
                ),
                None => format!("{before}{tuples}{after}"),
            }
        };
        Self {
            columns,
            numbered: WIDTHS.map(|width| {
                let tuples = tuples(width, |number| format!("${number}"));
                format!("{before}{tuples}{after}")
            }),
            nameless: WIDTHS.map(nameless),
        }
    }

    /// Cuts whole rows of `values` into statements, widest first. On SQLite a place without a value is NULL, and rows of those are
    /// inserted nowhere and equal nothing: so there the last statement is wider than the rows that are left, which costs less
    /// than one more statement.
    fn cut<'s, 'v>(
        &'static self,
        sqlite: bool,
        mut values: &'s [Value<'v>],
    ) -> impl Iterator<Item = (&'static str, &'s [Value<'v>])> {
        let texts = if sqlite {
            &self.nameless
        } else {
            &self.numbered
        };
        std::iter::from_fn(move || {
            let mut widths = WIDTHS
                .iter()
                .zip(texts)
                .map(|(width, text)| (width.saturating_mul(self.columns), text));
            let (width, text) = if sqlite {
                let widest = widths.next()?;
                widths
                    .take_while(|(width, _)| *width >= values.len())
                    .last()
                    .unwrap_or(widest)
            } else {
                widths.find(|(width, _)| *width <= values.len())?
            };
            let (now, later) = values.split_at_checked(width.min(values.len()))?;
            values = later;
            (!now.is_empty()).then_some((text.as_str(), now))
        })
    }

    /// Refuses rows that SQLite would pass over.
    fn check(&self, values: &[Value<'_>]) -> Result<(), sqlx::Error> {
        let mut first = values.iter().step_by(self.columns.max(1));
        if first.any(|value| matches!(value, Value::OptionalText(None))) {
            return Err(sqlx::Error::Encode("a row begins with NULL".into()));
        }
        Ok(())
    }

    /// Runs over all rows and says how many the database changed.
    pub(super) async fn execute(
        &'static self,
        conn: &mut Conn,
        values: &[Value<'_>],
    ) -> Result<u64, sqlx::Error> {
        self.check(values)?;
        let mut changed = 0_u64;
        for (sql, values) in self.cut(conn.is_sqlite(), values) {
            changed = changed.saturating_add(conn.execute(sql, values).await?);
        }
        Ok(changed)
    }

    /// Runs over all rows and returns what the statement returns.
    pub(super) async fn fetch(
        &'static self,
        conn: &mut Conn,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, sqlx::Error> {
        self.check(values)?;
        let mut rows = Vec::new();
        for (sql, values) in self.cut(conn.is_sqlite(), values) {
            rows.extend(conn.fetch(sql, values).await?);
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static PAIRS: LazyLock<Bulk> = LazyLock::new(|| Bulk::new("DELETE … (VALUES ", 2, ")"));
    static ROWS: LazyLock<Bulk> =
        LazyLock::new(|| Bulk::new("INSERT INTO t (a, b) VALUES ", 2, " ON …"));

    /// Rows a statement, and whether all values come in order.
    fn cut(bulk: &'static Bulk, sqlite: bool, rows: i64) -> Vec<usize> {
        let values: Vec<Value<'_>> = (0..2 * rows).map(Value::Int).collect();
        let parts: Vec<&[Value<'_>]> = bulk.cut(sqlite, &values).map(|(_, part)| part).collect();
        let kept: Vec<i64> = parts
            .iter()
            .flat_map(|part| part.iter())
            .map(|value| match value {
                Value::Int(number) => *number,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(kept, (0..2 * rows).collect::<Vec<i64>>());
        parts.iter().map(|part| part.len() / 2).collect()
    }

    #[test]
    fn rows_are_cut_into_few_statements_and_none_is_lost() {
        for bulk in [&PAIRS, &ROWS] {
            assert_eq!(cut(bulk, false, 406), [256, 64, 64, 16, 4, 1, 1]);
            assert_eq!(cut(bulk, false, 0), [0_usize; 0]);
        }
        for (rows, parts) in [
            (0, vec![]),
            (1, vec![1]),
            (2, vec![2]),
            (4, vec![4]),
            (5, vec![5]),
            (17, vec![17]),
            (256, vec![256]),
            (257, vec![256, 1]),
            (600, vec![256, 256, 88]),
        ] {
            assert_eq!(cut(&ROWS, true, rows), parts);
            assert_eq!(cut(&PAIRS, true, rows), parts);
        }
    }

    #[test]
    fn a_statement_has_room_for_its_rows_and_passes_over_what_is_left() {
        let text = |bulk: &'static Bulk, sqlite: bool, rows: usize| {
            let values = vec![Value::Int(0); 2 * rows];
            bulk.cut(sqlite, &values).next().unwrap().0.to_owned()
        };
        assert_eq!(text(&PAIRS, false, 1), "DELETE … (VALUES ($1,$2))");
        assert_eq!(text(&PAIRS, true, 1), "DELETE … (VALUES (?,?))");
        assert_eq!(
            text(&ROWS, false, 1),
            "INSERT INTO t (a, b) VALUES ($1,$2) ON …"
        );
        assert_eq!(
            text(&ROWS, true, 1),
            "INSERT OR FAIL INTO t (a, b) SELECT * FROM (VALUES (?,?)) WHERE column1 IS NOT NULL ON …"
        );
        for (rows, room) in [(2, 4), (4, 4), (5, 16), (17, 64), (65, 256), (256, 256)] {
            let text = text(&ROWS, true, rows);
            assert_eq!(text.matches("(?,?)").count(), room, "{rows}");
        }
    }

    #[test]
    fn a_row_that_would_be_passed_over_is_refused() {
        let named = [Value::Text("a"), Value::OptionalText(None)];
        assert!(ROWS.check(&named).is_ok());
        let nameless = [named, [Value::OptionalText(None), Value::Text("a")]].concat();
        assert!(ROWS.check(&nameless).is_err());
    }
}
