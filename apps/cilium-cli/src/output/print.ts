import { stringify } from 'yaml';
import type { Io } from '../io.ts';
import { table, type Column } from './table.ts';

/** Forms that every command can print its result in. */
export const outputFormats = ['table', 'json', 'yaml'] as const;
export type OutputFormat = (typeof outputFormats)[number];
/** Forms of pictures, which some commands can print besides. */
export const pictureFormats = ['dot', 'mermaid'] as const;
export type PictureFormat = (typeof pictureFormats)[number];

/** Prints a value for machines, or hands over to `people`. */
export function printValue(io: Io, format: OutputFormat, value: unknown, people: () => readonly string[]): void {
  if (format === 'json') io.print(JSON.stringify(value, null, 2));
  else if (format === 'yaml') io.print(stringify(value).trimEnd());
  else for (const line of people()) io.print(line);
}

/** Prints rows as a table for people, or whole for machines. */
export function printRows<Row>(io: Io, format: OutputFormat, columns: readonly Column<Row>[], rows: readonly Row[]): void {
  printValue(io, format, rows, () => table(columns, rows));
}
