//! Tables as Go's text/tabwriter lays them out with a cell width of at least 12 and a padding of 3, as runc does.

const NARROWEST: usize = 12;
const PADDING: usize = 3;

/// One line a row; the last column is not padded. All rows have the columns of the first.
pub(crate) fn layout(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let width = |column| (widest(column).unwrap_or(0) + PADDING).max(NARROWEST);
    let widths: Vec<usize> = (0..columns.saturating_sub(1)).map(width).chain([0]).collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    cells.chain(["\n".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_runc_prints_them() {
        let row = |cells: [&str; 6]| cells.map(str::to_owned).to_vec();
        let head = row(["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
        assert_eq!(layout(std::slice::from_ref(&head)), include_str!("../tests/fixtures/runc/list-empty.txt"));
        let one = row(["one", "10693", "running", "/tmp/bb", "2026-11-20T09:56:44.473251349Z", "root"]);
        assert_eq!(layout(&[head, one]), include_str!("../tests/fixtures/runc/list.txt"));
    }
}
