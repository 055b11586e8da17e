// Debian's kernel packages: found with apt, downloaded and unpacked under the cache folder, never installed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The newest Debian kernel of a line such as "6.1", unpacked.
 * @param {string} cache folder that keeps unpacked kernels
 * @param {string} line "6.1", or any prefix of a release such as "6.1.0-50"
 * @returns {{ release: string, image: string, config: string, modules: string }} release is what `uname -r` says there
 */
export function fetchKernel(cache, line) {
  const folder = join(cache, 'kernels');
  mkdirSync(folder, { recursive: true });
  const release = newest(unpacked(folder), line) ?? download(folder, line);
  const base = join(folder, release);
  const boot = (name) => join(base, 'boot', `${name}-${release}`);
  return { release, image: boot('vmlinuz'), config: boot('config'), modules: join(base, 'lib', 'modules', release) };
}

/** What is in the cache is complete: a kernel gets its final name as the last step. */
function unpacked(folder) {
  return readdirSync(folder).filter((name) => existsSync(join(folder, name, 'lib', 'modules', name, 'modules.dep')));
}

function download(folder, line) {
  let release = newest(offered(), line);
  if (release === undefined) {
    sh('apt-get', ['update', '-qq']);
    release = newest(offered(), line);
  }
  if (release === undefined) {
    throw new Error(`no kernel ${line}: Debian here offers ${offered().join(', ') || 'none; add a Debian source to apt'}`);
  }
  const work = mkdtempSync(join(folder, '.new-'));
  try {
    console.error(`vm: downloading linux-image-${release}`);
    // The sandbox user of apt may not be allowed to write into this folder.
    sh('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', 'download', `linux-image-${release}`], { cwd: work });
    const deb = readdirSync(work).find((name) => name.endsWith('.deb'));
    sh('dpkg', ['-x', join(work, deb), join(work, 'unpacked')]);
    sh('depmod', ['-b', join(work, 'unpacked'), release]);
    rmSync(join(folder, release), { recursive: true, force: true });
    renameSync(join(work, 'unpacked'), join(folder, release));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return release;
}

/** Releases of the signed images for plain amd64, such as 6.1.0-50-amd64. */
function offered() {
  const text = sh('apt-cache', ['search', '--names-only', '^linux-image-[0-9][^ ]*-amd64$']);
  return [...text.matchAll(/^linux-image-(\d+\.\d+\.\d+(?:[-+]\w+)?-amd64) /gm)].map((match) => match[1]);
}

function newest(releases, line) {
  const numbers = (release) => release.match(/\d+/g).map(Number);
  return releases
    .filter((release) => release.startsWith(line) && !/\d/.test(release.charAt(line.length)))
    .sort((one, other) => {
      const [a, b] = [numbers(one), numbers(other)];
      const at = a.findIndex((value, index) => value !== b[index]);
      return at < 0 ? 0 : a[at] - (b[at] ?? -1);
    })
    .at(-1);
}

function sh(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (result.status === 0) return result.stdout;
  throw new Error(`${command} ${args.join(' ')} failed: ${result.error?.message ?? result.stderr.trim()}`);
}
