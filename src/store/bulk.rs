//! Statements over many rows in a few fixed widths. A statement costs a thread hand-off on SQLite and
//! a round trip on PostgreSQL, so row by row is seven times slower; fixed widths stay prepared.

use super::connection::{Conn, Row, Value};

/// Rows a statement. At most 256 × 10 values: SQLite takes 32,766, PostgreSQL 65,535.
const WIDTHS: [usize; 5] = [256, 64, 16, 4, 1];

/// The statement for SQLite. Whoever meets a fault there rolls the whole transaction back, so the statement by itself need not be
/// able to (<https://sqlite.org/lang_conflict.html>): SQLite keeps no copy of each page that it is about to change.
fn whole(text: &str) -> String {
    text.replacen("INSERT INTO", "INSERT OR FAIL INTO", 1)
}

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
    /// `before`, then `($1, …, $columns), …`, then `after`. Only the tuples have places for values.
    pub(super) fn new(before: &str, columns: usize, after: &str) -> Self {
        let text = |width: usize, place: fn(usize) -> String| {
            let places: Vec<String> = (1..=width.saturating_mul(columns)).map(place).collect();
            let tuples: Vec<String> = places
                .chunks(columns.max(1))
                .map(|tuple| format!("({})", tuple.join(",")))
                .collect();
            format!("{before}{}{after}", tuples.join(","))
        };
        Self {
            columns,
            numbered: WIDTHS.map(|width| text(width, |number| format!("${number}"))),
            nameless: WIDTHS.map(|width| whole(&text(width, |_| "?".to_owned()))),
        }
    }

    fn texts(&self, conn: &Conn) -> &[String; WIDTHS.len()] {
        if conn.is_sqlite() {
            &self.nameless
        } else {
            &self.numbered
        }
    }

    /// Cuts whole rows of `values` into statements, widest first.
    fn cut<'s, 'v>(
        &'static self,
        texts: &'static [String; WIDTHS.len()],
        mut values: &'s [Value<'v>],
    ) -> impl Iterator<Item = (&'static str, &'s [Value<'v>])> {
        std::iter::from_fn(move || {
            let (width, text) = WIDTHS
                .iter()
                .zip(texts)
                .map(|(width, text)| (width.saturating_mul(self.columns), text))
                .find(|(width, _)| *width <= values.len())?;
            let (now, later) = values.split_at_checked(width)?;
            values = later;
            (!now.is_empty()).then_some((text.as_str(), now))
        })
    }

    /// Runs over all rows and says how many the database changed.
    pub(super) async fn execute(
        &'static self,
        conn: &mut Conn,
        values: &[Value<'_>],
    ) -> Result<u64, sqlx::Error> {
        let mut changed = 0_u64;
        for (sql, values) in self.cut(self.texts(conn), values) {
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
        let mut rows = Vec::new();
        for (sql, values) in self.cut(self.texts(conn), values) {
            rows.extend(conn.fetch(sql, values).await?);
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::LazyLock;

    #[test]
    fn rows_are_cut_into_few_statements_and_none_is_lost() {
        static PAIRS: LazyLock<Bulk> = LazyLock::new(|| Bulk::new("VALUES ", 2, ""));
        let values: Vec<Value<'_>> = (0..2 * 406).map(Value::Int).collect();
        let widths: Vec<usize> = PAIRS
            .cut(&PAIRS.numbered, &values)
            .map(|(_, part)| part.len() / 2)
            .collect();
        assert_eq!(widths, [256, 64, 64, 16, 4, 1, 1]);
        let kept: Vec<i64> = PAIRS
            .cut(&PAIRS.numbered, &values)
            .flat_map(|(_, part)| part)
            .map(|value| match value {
                Value::Int(number) => *number,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(kept, (0..812).collect::<Vec<i64>>());
        let text = PAIRS.cut(&PAIRS.numbered, &values[..2]).next().unwrap().0;
        assert_eq!(text, "VALUES ($1,$2)");
        let text = PAIRS.cut(&PAIRS.nameless, &values[..2]).next().unwrap().0;
        assert_eq!(text, "VALUES (?,?)");
        assert_eq!(PAIRS.cut(&PAIRS.numbered, &[]).count(), 0);
    }
}
