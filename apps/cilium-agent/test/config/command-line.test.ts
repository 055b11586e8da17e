import { describe, expect, it } from 'vitest';
import { helpText, parseCommandLine } from '../../src/config/command-line.ts';
import { parseDuration } from '../../src/config/duration.ts';

describe('parseCommandLine', () => {
  it.each([
    [['--mtu=1400'], { command: 'run', flags: [['mtu', '1400']] }],
    [['--mtu', '1400', '--debug'], { command: 'run', flags: [['mtu', '1400'], ['debug', 'true']] }],
    [['--debug', 'false', '--enable-ipv6=false'], { flags: [['debug', 'false'], ['enable-ipv6', 'false']] }],
    [['cleanup', '--state-dir=/s', '--config-dir', '/c'], { command: 'cleanup', flags: [['state-dir', '/s']], configDir: '/c' }],
    [['--mtu', '1', '--help'], { command: 'help' }],
    [['--version'], { command: 'version' }],
  ])('%j', (words, expected) => {
    expect(parseCommandLine(words)).toMatchObject(expected);
  });

  it('refuses words it does not know and flags without a value', () => {
    expect(() => parseCommandLine(['start'])).toThrow(/unexpected "start"/);
    expect(() => parseCommandLine(['--mtu'])).toThrow(/--mtu needs a value/);
  });
});

describe('helpText', () => {
  it('names every setting but hidden ones', () => {
    const text = helpText();
    expect(text).toContain('--bpf-root');
    expect(text).toContain('--policy-dir, --static-cnp-path');
    expect(text).not.toContain('failpoint');
  });
});

describe('parseDuration', () => {
  it.each([['60s', 60], ['2h13m20s', 8000], ['1.5s', 1.5], ['250ms', 0.25], ['0', 0]])('%s', (text, seconds) => { expect(parseDuration(text)).toBe(seconds); });
  it.each(['', '60', '1d', '-5s', 's'])('refuses %j', (text) => { expect(parseDuration(text)).toBeUndefined(); });
});
