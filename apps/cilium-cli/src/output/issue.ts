import type { Issue } from '@cilium-ts/agent-api';

/** A finding on one line: place, what is wrong, what to do. */
export function formatIssue({ severity, file, line, column, resource, field, message, remedy }: Issue): string {
  const place = [file ?? '(input)', line, column].filter((part) => part !== undefined).join(':');
  const where = [resource, field].filter((part) => part !== undefined).join(' ');
  const subject = where === '' ? '' : `${where}: `;
  return `${place}: ${severity}: ${subject}${message}${remedy === undefined ? '' : ` (${remedy})`}`;
}
