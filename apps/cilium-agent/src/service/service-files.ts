import type { Logger } from '@cilium-ts/core';
import { formatServiceIssue, parseServices } from '@cilium-ts/loadbalancer';
import type { ServiceIssue } from '@cilium-ts/loadbalancer';
import type { FileContent, FolderSnapshot } from '../source/watched-folder.ts';
import type { DocumentFolder } from '../state/document-folder.ts';
import type { ServiceFileRecord } from '../state/schemas.ts';
import { NO_OBJECTS, objectKeys, objectsOf } from './service-objects.ts';
import type { ServiceObjects } from './service-objects.ts';

/** A file of the service folder as it stands. */
export interface ServiceFile {
  readonly name: string;
  readonly status: 'accepted' | 'last-accepted' | 'rejected';
  readonly issues: readonly ServiceIssue[];
  /** What of it is in force: of this form, or of the last accepted one. */
  readonly objects: ServiceObjects;
  /** The text in force; undefined if there is none. */
  readonly acceptedText: string | undefined;
  /** The content looked at last, to see whether it changed. */
  readonly content: FileContent | undefined;
}

/** The service folder: each file in its present form, or in the last one that could be used. */
export interface ServiceFiles {
  files(): readonly ServiceFile[];
  /** Reads what was accepted before the restart. */
  load(): Promise<void>;
  /** Takes a look at the folder into account; true if something changed. */
  update(snapshot: FolderSnapshot): Promise<boolean>;
  /** What is wrong, for people. */
  problems(): readonly string[];
}

const failed = (issues: readonly ServiceIssue[]): boolean => issues.some(({ severity }) => severity === 'error');
const fileIssue = (file: string, code: ServiceIssue['code'], message: string, remedy: string): ServiceIssue => ({ severity: 'error', code, file, line: 1, column: 1, field: '', message, remedy });

const NOTHING_IN_IT = ['the file holds no service', 'write one, or delete the file if its services should go; a file is never taken for empty while it may be half-written'] as const;

/** What a file's content is by itself. */
const read = (name: string, content: FileContent): { readonly objects: ServiceObjects; readonly issues: readonly ServiceIssue[] } => {
  if ('error' in content) return { objects: NO_OBJECTS, issues: [fileIssue(name, 'malformed', `the file can not be read: ${content.error}`, 'make it readable for the agent')] };
  const parsed = parseServices(content.text, { file: name });
  const objects = objectsOf(parsed);
  if (failed(parsed.issues) || objectKeys(objects).next().done === false) return { objects, issues: parsed.issues };
  return { objects, issues: [...parsed.issues, fileIssue(name, 'malformed', ...NOTHING_IN_IT)] };
};

const sameContent = (a: FileContent | undefined, b: FileContent): boolean => {
  if (a === undefined) return false;
  return 'text' in b ? 'text' in a && a.text === b.text : 'error' in a && a.error === b.error;
};

class StoredServiceFiles implements ServiceFiles {
  readonly #folder: string;
  readonly #records: DocumentFolder<ServiceFileRecord>;
  readonly #logger: Logger;
  #files = new Map<string, ServiceFile>();
  /** Which file's form in force defines an object. */
  readonly #owners = new Map<string, string>();
  #gone: string | undefined;

  constructor(folder: string, { records, logger }: { readonly records: DocumentFolder<ServiceFileRecord>; readonly logger: Logger }) {
    this.#folder = folder;
    this.#records = records;
    this.#logger = logger;
  }

  files(): readonly ServiceFile[] {
    return [...this.#files.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async load(): Promise<void> {
    const { documents, corrupt } = await this.#records.load();
    for (const { path, aside, reason } of corrupt) this.#logger.error({ path, aside, reason }, 'the last accepted form of a service file is corrupt and was set aside; the file itself counts');
    for (const [name, { text }] of documents) {
      const { objects, issues } = read(name, { text });
      if (!failed(issues)) this.#put({ name, status: 'accepted', issues, objects, acceptedText: text, content: undefined });
    }
  }

  async update(snapshot: FolderSnapshot): Promise<boolean> {
    if (snapshot.kind === 'gone') {
      const changed = this.#gone !== snapshot.reason;
      if (changed) this.#logger.error({ folder: this.#folder, reason: snapshot.reason }, 'service folder is gone or unreadable; everything accepted from it stays in force');
      this.#gone = snapshot.reason;
      return changed;
    }
    const cameBack = this.#gone !== undefined;
    this.#gone = undefined;
    const before = new Map(this.#files);
    const removed = [...before.keys()].filter((name) => !snapshot.files.has(name));
    for (const name of removed) this.#drop(name);
    const changed = [...snapshot.files].filter(([name, content]) => !sameContent(this.#files.get(name)?.content, content));
    for (const [name, content] of changed) this.#put(this.#judge(name, content));
    // A file that was refused for a duplicate is looked at again: the other one may have changed or gone.
    for (const { name, issues } of this.files()) if (removed.length + changed.length > 0 && issues.some(({ code }) => code === 'duplicate')) this.#put(this.#judge(name, snapshot.files.get(name)!));
    await this.#save(before, removed);
    return cameBack || removed.length + changed.length > 0;
  }

  problems(): readonly string[] {
    return [
      ...(this.#gone === undefined ? [] : [`service folder: ${this.#gone}; everything accepted from it stays in force`]),
      ...this.files().flatMap(({ name, status, issues }) => {
        if (status === 'accepted') return [];
        const issue = issues.find(({ severity }) => severity === 'error');
        return [`service file ${name}: ${status === 'rejected' ? 'it can not be used' : 'its last accepted form stays in force'}: ${issue ? formatServiceIssue(issue) : 'unusable'}`];
      }),
    ];
  }

  /** What a file's content makes of it, given what was accepted before. */
  #judge(name: string, content: FileContent): ServiceFile {
    const before = this.#files.get(name);
    const { objects, issues } = read(name, content);
    const duplicates = [...objectKeys(objects)].flatMap((key) => {
      const owner = this.#owners.get(key);
      return owner === undefined || owner === name ? [] : [{ ...fileIssue(name, 'duplicate', `${key} is defined by ${owner} already`, 'keep one of the two'), resource: key }];
    });
    const found = [...issues, ...duplicates];
    if (!failed(found) && 'text' in content) {
      this.#logger.info({ file: name, services: objects.services.size, slices: objects.slices.size }, 'service file accepted');
      for (const issue of found) this.#logger.warn({ file: name }, formatServiceIssue(issue));
      return { name, status: 'accepted', issues: found, objects, acceptedText: content.text, content };
    }
    // One that is looked at again because of another file, and is as it was, has been told of.
    const told = new Set(before && sameContent(before.content, content) ? before.issues.map(formatServiceIssue) : []);
    for (const text of found.map(formatServiceIssue)) if (!told.has(text)) this.#logger.error({ file: name }, text);
    if (before?.acceptedText !== undefined) return { ...before, status: 'last-accepted', issues: found, content };
    return { name, status: 'rejected', issues: found, objects: NO_OBJECTS, acceptedText: undefined, content };
  }

  #put(file: ServiceFile): void {
    this.#drop(file.name);
    this.#files.set(file.name, file);
    for (const key of objectKeys(file.objects)) this.#owners.set(key, file.name);
  }

  #drop(name: string): void {
    for (const key of objectKeys(this.#files.get(name)?.objects ?? NO_OBJECTS)) if (this.#owners.get(key) === name) this.#owners.delete(key);
    this.#files.delete(name);
  }

  async #save(before: ReadonlyMap<string, ServiceFile>, removed: readonly string[]): Promise<void> {
    const saves = [...this.#files.values()]
      .filter(({ name, acceptedText }) => acceptedText !== undefined && acceptedText !== before.get(name)?.acceptedText)
      .map(({ name, acceptedText }) => this.#records.save(name, { version: 1, name, text: acceptedText! }));
    await Promise.all([...saves, ...removed.map((name) => this.#records.remove(name))]);
  }
}

/** An empty set of files of a folder; call `load` before anything else. */
export const createServiceFiles = (folder: string, deps: { readonly records: DocumentFolder<ServiceFileRecord>; readonly logger: Logger }): ServiceFiles => new StoredServiceFiles(folder, deps);
