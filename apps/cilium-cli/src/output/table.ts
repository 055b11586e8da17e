/** A column of a table: its heading, and the cell of a row. */
export interface Column<Row> {
  readonly heading: string;
  readonly cell: (row: Row) => string | number | undefined;
}

/** Lines of a table with aligned columns; a cell with several lines takes as many rows. Absent cells are empty. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const cells = rows.map((row) => columns.map(({ cell }) => String(cell(row) ?? '').split('\n')));
  const all = [columns.map(({ heading }) => [heading.toUpperCase()]), ...cells];
  const widths = columns.map((_, index) => Math.max(...all.map((row) => Math.max(...row[index]!.map((line) => line.length)))));
  return all.flatMap((row) => {
    const height = Math.max(...row.map((lines) => lines.length));
    return Array.from({ length: height }, (_, line) => row.map((lines, index) => (lines[line] ?? '').padEnd(widths[index]!)).join('   ').trimEnd());
  });
}
