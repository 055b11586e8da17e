import { execFile } from 'node:child_process';
import { AgentError } from '../error.ts';

/** Runs a tool to its end and returns what it printed. Throws AgentError `missing-tool` or `failed`, saying which action needed it. */
export const runTool = (tool: string, args: readonly string[], options: { readonly action: string; readonly input?: string }): Promise<string> =>
  new Promise((resolve, reject) => {
    // Root's PATH may lack sbin, where nft and mount helpers live.
    const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' };
    const child = execFile(tool, [...args], { env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (!error) {
        resolve(stdout);
        return;
      }
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      const message = missing ? `the command ${tool} is not installed (Debian: apt-get install ${tool === 'nft' ? 'nftables' : 'mount'})` : `${tool} ${args.join(' ')}: ${stderr.trim() || error.message}`;
      reject(new AgentError(missing ? 'missing-tool' : 'failed', `${options.action}: ${message}`, { cause: error }));
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input ?? '');
  });
