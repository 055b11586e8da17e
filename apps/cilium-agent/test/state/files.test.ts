import { silentLogger } from '@cilium-ts/core';
import { createReservedIdentities, labelSet } from '@cilium-ts/identity';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openHostJournal } from '../../src/node/host-journal.ts';
import { openApiPolicyFile } from '../../src/state/api-policy-file.ts';
import { createDocumentFolder } from '../../src/state/document-folder.ts';
import { openIdentityAllocator } from '../../src/state/identity-files.ts';

let folder: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'state-')); });
afterEach(() => { rmSync(folder, { recursive: true }); });

describe('createDocumentFolder', () => {
  const open = () => createDocumentFolder({ folder: join(folder, 'd'), asideFolder: join(folder, 'aside'), schema: z.object({ n: z.number() }) });

  it('gives back what was saved, whatever the name', async () => {
    const documents = open();
    await documents.load();
    await documents.save('a/b c.yaml', { n: 1 });
    await documents.save('x', { n: 2 });
    await documents.remove('x');
    await documents.remove('x');
    expect(await open().load()).toEqual({ documents: new Map([['a/b c.yaml', { n: 1 }]]), corrupt: [] });
  });

  it('sets aside what makes no sense, and forgets drafts', async () => {
    await open().load();
    for (const [name, text] of [['1.json', '{"n":'], ['2.json', '{"n":"x"}'], ['3.json', '{"n":3}'], ['4.json.99.1.tmp', '{}']] as const) writeFileSync(join(folder, 'd', name), text);
    const { documents, corrupt } = await open().load();
    expect([...documents.keys()]).toEqual(['3']);
    expect(corrupt.map(({ name }) => name).sort()).toEqual(['1', '2']);
    expect(readdirSync(join(folder, 'aside')).length).toBe(2);
    expect(readdirSync(join(folder, 'd'))).toEqual(['3.json']);
  });
});

describe('openIdentityAllocator', () => {
  const open = (witnesses: { id: number; labels: string[] }[] = []) => openIdentityAllocator({ stateDir: folder, scope: 'global', reserved: createReservedIdentities({ ipv4: true, ipv6: true }), witnesses: () => witnesses, logger: silentLogger });

  it('numbers the same labels the same after a restart', () => {
    const labels = labelSet(['k8s:a=b']);
    expect(open().allocate(labels).id).toBe(open().allocate(labels).id);
  });

  it.each(['{"half', '{"version":2}'])('takes the numbers of witnesses when the store is %s', (text) => {
    writeFileSync(join(folder, 'identities-global.json'), text);
    const allocator = open([{ id: 700, labels: ['k8s:a=b'] }, { id: 1, labels: ['reserved:host'] }]);
    expect(allocator.allocate(labelSet(['k8s:a=b'])).id).toBe(700);
    expect(allocator.allocate(labelSet(['k8s:c=d'])).id).toBe(701);
    expect(readdirSync(join(folder, 'set-aside')).length).toBe(1);
  });
});

describe('openApiPolicyFile', () => {
  it('remembers over restarts that something is lost', () => {
    writeFileSync(join(folder, 'policy-api.json'), 'x');
    const [aside] = openApiPolicyFile(folder, silentLogger).load()?.lost ?? [];
    expect(readFileSync(aside!, 'utf8')).toBe('x');
    expect(openApiPolicyFile(folder, silentLogger).load()).toEqual({ version: 1, resources: [], lost: [aside] });
  });

  it('is empty at first', () => { expect(openApiPolicyFile(folder, silentLogger).load()).toBeUndefined(); });
});

describe('openHostJournal', () => {
  it('keeps what it is told before anything else happens', () => {
    openHostJournal(folder, silentLogger).update({ masquerade: true, sysctls: { a: '1' } });
    expect(openHostJournal(folder, silentLogger).record).toMatchObject({ masquerade: true, sysctls: { a: '1' }, devices: {} });
  });

  it('begins anew where it can not be read, keeping the old one for a person', () => {
    writeFileSync(join(folder, 'host.json'), '[]');
    expect(openHostJournal(folder, silentLogger).record.devices).toEqual({});
    expect(readdirSync(join(folder, 'set-aside')).length).toBe(1);
  });
});
