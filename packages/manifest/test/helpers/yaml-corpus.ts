import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../../..');

/** Every YAML text of the repository that people wrote: files, and what is fenced in documentation. */
export function yamlCorpus(): string[] {
  const texts: string[] = [];
  for (const folder of ['examples', 'docs', 'packages/policy-model/test', 'packages/loadbalancer/test', 'apps/cilium-agent/test', 'apps/cilium-cli/test']) {
    for (const file of readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })) {
      if (file.includes('node_modules') || !/\.(?:ya?ml|md)$/.test(file)) continue;
      const text = readFileSync(join(ROOT, folder, file), 'utf8');
      if (file.endsWith('.md')) texts.push(...[...text.matchAll(/```ya?ml\n([\s\S]*?)```/g)].map((match) => match[1]!));
      else texts.push(text);
    }
  }
  return texts;
}
