export { checkShape } from './check-shape.ts';
export type { SourceObject, SourceText, SyntaxProblem } from './documents.ts';
export { readDocuments } from './documents.ts';
export type { ManifestHeader, ManifestKind } from './header.ts';
export { manifestKey, readHeader } from './header.ts';
export type { Issue, ManifestIssueCode } from './issue.ts';
export { formatIssue } from './issue.ts';
export type { FieldPath, SourceLocation } from './location.ts';
export { formatFieldPath, formatLocation } from './location.ts';
export type { Locator, Position } from './locator.ts';
export type { LabelSelectorSpec } from './metadata.ts';
export { labelSelectorShape, metadataShape, nameText } from './metadata.ts';
export type { Manifest, ReadManifests, ReadOptions } from './read-manifests.ts';
export { readManifests } from './read-manifests.ts';
export type { Field, Finding, Reporter } from './reporter.ts';
export { createReporter } from './reporter.ts';
export type { ObjectOf, OptionalShape, Shape, TypeOf } from './shape.ts';
export {
  anything,
  choice,
  flag,
  integer,
  intOrText,
  listOf,
  mapOf,
  nullable,
  number,
  object,
  oneOf,
  openObject,
  optional,
  orNull,
  refined,
  text,
} from './shape.ts';
export { choiceRemedy, choose, describeValue, typeRemedy, unknownField } from './wording.ts';
