import { errorMessage } from '@cilium-ts/core';
import type { Logger } from '@cilium-ts/core';
import type { Identity } from '@cilium-ts/identity';
import { createPolicyRepository, formatIssue } from '@cilium-ts/policy-model';
import type { EnforceableFeatures, ParsedPolicies, PolicyIssue, PolicyRepository, PolicyResource } from '@cilium-ts/policy-model';
import { existsSync } from 'node:fs';
import { AgentError } from '../error.ts';
import type { Failpoint } from '../lifecycle/failpoint.ts';
import type { DocumentFolder } from '../state/document-folder.ts';
import type { ApiPolicyRecord, PolicyFileRecord } from '../state/schemas.ts';
import { concernOf, concernsAll } from './concern.ts';
import type { Concern } from './concern.ts';
import { readPolicies } from './read-policies.ts';
import type { FileContent, FolderSnapshot } from '../source/watched-folder.ts';

/** A policy file as it stands. */
export interface PolicyFile {
  readonly name: string;
  readonly status: 'accepted' | 'last-accepted' | 'rejected';
  readonly issues: readonly PolicyIssue[];
  /** What of it is in force: of this form, or of the last accepted one. */
  readonly resources: readonly PolicyResource[];
  /** The text in force; undefined if there is none. */
  readonly acceptedText: string | undefined;
  /** The content looked at last, to see whether it changed. */
  readonly content: FileContent | undefined;
  /** For a rejected file: whom it may be about. */
  readonly concern: Concern | undefined;
}

/** An import over the API that is in force. */
export interface ApiPolicy {
  readonly file: string;
  readonly resource: PolicyResource;
}

/** Every policy the agent holds, from the folder and from the API, and what is known to be missing. */
export interface PolicySet {
  readonly repository: PolicyRepository;
  files(): readonly PolicyFile[];
  imports(): readonly ApiPolicy[];
  /** Reads what was accepted before the restart. */
  load(): Promise<void>;
  /** Takes a look at the folder into account; true if policies, or what is missing, changed. */
  updateFolder(snapshot: FolderSnapshot): Promise<boolean>;
  /** Imports all documents or none. Throws AgentError `policy-invalid` (with issues as cause) or `conflict`. */
  import(text: string, file: string): Promise<{ readonly resources: readonly string[]; readonly issues: readonly PolicyIssue[] }>;
  /** Deletes an import. Throws AgentError `not-found`, or `conflict` if it comes from a file. */
  delete(key: string): Promise<void>;
  /** Why an endpoint of this identity has to be locked down: a policy that may be about it is unknown. */
  lockdown(identity: Identity): string | undefined;
  /** What is wrong, for people. */
  problems(): readonly string[];
  /** Changes counted by outcome. */
  readonly changes: { readonly success: number; readonly failure: number };
}

/** What a policy set works with. */
export interface PolicySetDeps {
  readonly logger: Logger;
  readonly records: DocumentFolder<PolicyFileRecord>;
  readonly api: { load(): ApiPolicyRecord | undefined; save(record: ApiPolicyRecord): void };
  readonly failpoint: Failpoint;
  /** What can be enforced; policies that need more are refused. */
  readonly features: EnforceableFeatures;
  /** Is a folder given, and was it read to the end once? Then its absence changes nothing. */
  readonly folder: { readonly path: string; readonly seen: boolean; markSeen(): void } | undefined;
}

/** Error of an import that names every issue. */
export class PolicyImportError extends AgentError {
  readonly issues: readonly PolicyIssue[];
  constructor(message: string, issues: readonly PolicyIssue[]) {
    super('policy-invalid', message);
    this.issues = issues;
  }
}

const API_FILE = 'import';
const failed = (issues: readonly PolicyIssue[]): boolean => issues.some(({ severity }) => severity === 'error');

/** An issue of a whole file. */
const fileIssue = (file: string, message: string, remedy: string, place: Partial<PolicyIssue> = {}): PolicyIssue => ({ severity: 'error', code: 'malformed', file, line: 1, column: 1, field: '', message, remedy, ...place });

const NO_DOCUMENTS = 'the file holds no policy';
const NO_DOCUMENTS_REMEDY = 'write one, or delete the file if its policies should go; a file is never taken for empty while it may be half-written';

class StoredPolicySet implements PolicySet {
  readonly repository = createPolicyRepository();
  readonly changes = { success: 0, failure: 0 };
  readonly #deps: PolicySetDeps;
  #files = new Map<string, PolicyFile>();
  #api: readonly ApiPolicy[] = [];
  #lost: readonly string[] = [];
  #synced: boolean;
  #gone: string | undefined;

  constructor(deps: PolicySetDeps) {
    this.#deps = deps;
    this.#synced = deps.folder === undefined || deps.folder.seen;
  }

  files(): readonly PolicyFile[] {
    return byName(this.#files);
  }

  imports(): readonly ApiPolicy[] {
    return this.#api;
  }

  async load(): Promise<void> {
    const { records, api, logger } = this.#deps;
    const { documents, corrupt } = await records.load();
    for (const { name, path, aside, reason } of corrupt) {
      logger.error({ path, aside, reason }, 'the last accepted form of a policy file is corrupt and was set aside');
      await records.save(name, { version: 1, name, text: null });
      this.#files.set(name, lostFile(name));
    }
    if (this.#deps.folder) for (const [name, { text }] of documents) this.#files.set(name, this.#restoreFile(name, text));
    const record = api.load();
    this.#lost = record?.lost ?? [];
    this.#api = (record?.resources ?? []).flatMap(({ file, document }) => {
      const { resources, issues } = this.#read(JSON.stringify(document), file);
      if (resources.length === 1 && !failed(issues)) return [{ file, resource: resources[0]! }];
      this.#lost = [...this.#lost, `import ${file}: ${issues[0] ? formatIssue(issues[0]) : 'no policy'}`];
      return [];
    });
    this.#rebuild();
  }

  async updateFolder(snapshot: FolderSnapshot): Promise<boolean> {
    if (snapshot.kind === 'gone') {
      const changed = this.#gone !== snapshot.reason;
      if (changed) this.#deps.logger.error({ folder: this.#deps.folder?.path, reason: snapshot.reason, policies: this.repository.all().length }, 'policy folder is gone or unreadable; everything accepted from it stays in force');
      this.#gone = snapshot.reason;
      return changed;
    }
    const firstTime = !this.#synced || this.#gone !== undefined;
    this.#gone = undefined;
    const before = this.#files;
    const files = new Map([...before].filter(([name]) => snapshot.files.has(name)));
    const removed = [...before.keys()].filter((name) => !files.has(name));
    const changed = [...snapshot.files].filter(([name, content]) => this.#needsLook(files.get(name), content));
    for (const [name, content] of changed) files.set(name, this.#judge(files, name, content));
    this.#settleDuplicates(files, snapshot.files);
    await this.#saveFiles(files, removed);
    this.#deps.failpoint('policy-recorded');
    if (!this.#synced) {
      this.#deps.folder?.markSeen();
      this.#synced = true;
    }
    // What is shown changes together with what is compiled.
    this.#files = files;
    const different = removed.length > 0 || changed.length > 0;
    if (different) this.#rebuild();
    return different || firstTime;
  }

  async import(text: string, file: string): Promise<{ resources: readonly string[]; issues: readonly PolicyIssue[] }> {
    await Promise.resolve();
    const name = file === '' ? API_FILE : file;
    const { resources, issues } = this.#read(text, name);
    const found = resources.length === 0 && !failed(issues) ? [...issues, fileIssue(name, 'there is no policy in it', 'send YAML or JSON documents of policies')] : issues;
    if (failed(found)) {
      this.changes.failure++;
      throw new PolicyImportError(`import policy: ${found.filter(({ severity }) => severity === 'error').map(formatIssue).join('; ')}`, found);
    }
    for (const { key } of resources) {
      const owner = fileWith(this.#files, key);
      if (owner !== undefined) {
        this.changes.failure++;
        throw new AgentError('conflict', `import policy: ${key} comes from the file ${owner} of the policy folder; change it there`);
      }
    }
    const keys = new Set(resources.map(({ key }) => key));
    this.#saveApi([...this.#api.filter(({ resource }) => !keys.has(resource.key)), ...resources.map((resource) => ({ file: name, resource }))]);
    this.#deps.failpoint('policy-recorded');
    this.#rebuild();
    this.changes.success++;
    return { resources: [...keys], issues: found };
  }

  async delete(key: string): Promise<void> {
    await Promise.resolve();
    const owner = fileWith(this.#files, key);
    if (owner !== undefined) throw new AgentError('conflict', `delete policy: ${key} comes from the file ${owner} of the policy folder; delete it there`);
    if (!this.#api.some(({ resource }) => resource.key === key)) throw new AgentError('not-found', `delete policy: there is no ${key}`);
    this.#saveApi(this.#api.filter(({ resource }) => resource.key !== key));
    this.#rebuild();
    this.changes.success++;
  }

  lockdown(identity: Identity): string | undefined {
    if (!this.#synced) return `the policy folder ${this.#deps.folder?.path} could never be read`;
    const lost = this.#missing()[0];
    if (lost !== undefined) return `policies imported earlier are lost (${lost})`;
    const file = this.files().find(({ concern }) => concern?.(identity));
    return file && `the policy file ${file.name} can not be used: ${file.issues[0]?.message ?? 'unknown'}`;
  }

  problems(): readonly string[] {
    const files = this.files().flatMap(({ name, status, issues }) => {
      if (status === 'accepted') return [];
      const what = status === 'rejected' ? 'the endpoints it may concern are locked down' : 'its last accepted form stays in force';
      return [`policy file ${name}: ${what}: ${issues[0] ? formatIssue(issues[0]) : 'unusable'}`];
    });
    return [
      ...(this.#synced ? [] : [`policy folder ${this.#deps.folder?.path}: it could never be read, so every endpoint is locked down`]),
      ...(this.#gone === undefined ? [] : [`policy folder: ${this.#gone}; everything accepted from it stays in force`]),
      ...this.#missing().map((lost) => `policies imported earlier are lost: ${lost}. Import them again, then remove that file; until then every endpoint is locked down`),
      ...files,
    ];
  }

  /** What is lost for as long as the file that was set aside is there. */
  #missing(): readonly string[] {
    return this.#lost.filter((path) => !path.startsWith('/') || existsSync(path));
  }

  #read(text: string, file: string): ParsedPolicies {
    return readPolicies(text, { file, features: this.#deps.features });
  }

  #restoreFile(name: string, text: string | null): PolicyFile {
    if (text === null) return lostFile(name);
    const { resources, issues } = this.#read(text, name);
    if (failed(issues) || resources.length === 0) return { ...lostFile(name), issues, concern: concernOf(text) };
    return { name, status: 'accepted', issues, resources, acceptedText: text, content: undefined, concern: undefined };
  }

  #needsLook(file: PolicyFile | undefined, content: FileContent): boolean {
    if (!file?.content) return true;
    return 'text' in content ? !('text' in file.content) || file.content.text !== content.text : !('error' in file.content) || file.content.error !== content.error;
  }

  /** What a file's content makes of it, given what was accepted before. */
  #judge(files: ReadonlyMap<string, PolicyFile>, name: string, content: FileContent): PolicyFile {
    const before = files.get(name);
    const { resources, issues } = 'text' in content ? this.#read(content.text, name) : { resources: [], issues: [fileIssue(name, `the file can not be read: ${content.error}`, 'make it readable for the agent')] };
    const found = [...issues];
    if (resources.length === 0 && !failed(found)) found.push(fileIssue(name, NO_DOCUMENTS, NO_DOCUMENTS_REMEDY));
    for (const { key } of resources) {
      const owner = fileWith(files, key, name) ?? (this.#api.some(({ resource }) => resource.key === key) ? 'the API' : undefined);
      if (owner !== undefined) found.push(fileIssue(name, `${key} is defined by ${owner} already`, 'keep one of the two', { code: 'duplicate', resource: key }));
    }
    return this.#judged({ name, content, before, resources, issues: found });
  }

  #judged(judged: { name: string; content: FileContent; before: PolicyFile | undefined; resources: readonly PolicyResource[]; issues: readonly PolicyIssue[] }): PolicyFile {
    const { name, content, before, resources, issues } = judged;
    const { logger } = this.#deps;
    if (!failed(issues) && 'text' in content) {
      this.changes.success++;
      logger.info({ file: name, resources: resources.map(({ key }) => key) }, 'policy file accepted');
      for (const issue of issues) logger.warn({ file: name }, formatIssue(issue));
      return { name, status: 'accepted', issues, resources, acceptedText: content.text, content, concern: undefined };
    }
    this.changes.failure++;
    for (const issue of issues) logger.error({ file: name }, formatIssue(issue));
    if (before?.acceptedText !== undefined) return { ...before, status: 'last-accepted', issues, content };
    const concern = 'text' in content ? concernOf(content.text) : concernsAll;
    return { name, status: 'rejected', issues, resources: [], acceptedText: undefined, content, concern };
  }

  /** A file that was refused for a duplicate is looked at again: the other one may have changed or gone. */
  #settleDuplicates(files: Map<string, PolicyFile>, contents: ReadonlyMap<string, FileContent>): void {
    for (const file of byName(files)) {
      const content = contents.get(file.name);
      if (content && file.status !== 'accepted' && file.issues.some(({ code }) => code === 'duplicate')) files.set(file.name, this.#judge(files, file.name, content));
    }
  }

  async #saveFiles(files: ReadonlyMap<string, PolicyFile>, removed: readonly string[]): Promise<void> {
    const { records } = this.#deps;
    const saves = [...files.values()]
      .filter((file) => file.acceptedText !== undefined && file.acceptedText !== this.#files.get(file.name)?.acceptedText)
      .map(({ name, acceptedText }) => records.save(name, { version: 1, name, text: acceptedText! }));
    await Promise.all([...saves, ...removed.map((name) => records.remove(name))]);
  }

  #saveApi(next: readonly ApiPolicy[]): void {
    const lost = this.#missing();
    try {
      this.#deps.api.save({ version: 1, resources: next.map(({ file, resource }) => ({ file, document: resource.document })), lost: lost.filter((path) => path.startsWith('/')) });
    } catch (cause) {
      throw new AgentError('state', `save imported policies: ${errorMessage(cause)}`, { cause });
    }
    this.#lost = lost;
    this.#api = next;
  }

  #rebuild(): void {
    this.repository.replaceAll([...this.files().flatMap(({ resources }) => resources), ...this.#api.map(({ resource }) => resource)]);
  }
}

const byName = (files: ReadonlyMap<string, PolicyFile>): PolicyFile[] => [...files.values()].sort((a, b) => (a.name < b.name ? -1 : 1));

/** Name of the file that defines a resource. */
const fileWith = (files: ReadonlyMap<string, PolicyFile>, key: string, besides?: string): string | undefined => {
  for (const { name, resources } of files.values()) if (name !== besides && resources.some((resource) => resource.key === key)) return name;
  return undefined;
};

const lostFile = (name: string): PolicyFile => ({
  name,
  status: 'rejected',
  issues: [fileIssue(name, 'its last accepted form is lost', 'put a valid file in its place, or delete it')],
  resources: [],
  acceptedText: undefined,
  content: undefined,
  concern: concernsAll,
});

/** An empty set; call `load` before anything else. */
export const createPolicySet = (deps: PolicySetDeps): PolicySet => new StoredPolicySet(deps);
