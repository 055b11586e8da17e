import { describe, expect, it } from 'vitest';
import { EndpointChangeRequest, MonitorEvent, TraceRequest } from '../../src/index.ts';

describe('EndpointChangeRequest', () => {
  it('takes a namespace and labels alone', () => {
    expect(EndpointChangeRequest.parse({ 'container-netns-path': 'web', labels: ['app=web'] })).toEqual({ 'container-netns-path': 'web', labels: ['app=web'] });
  });

  it.each([
    ['an unknown field', { 'container-netns-path': 'web', labels: [], netns: 'x' }, /netns/],
    ['no namespace', { labels: [] }, /container-netns-path/],
    ['an id out of range', { id: 65_536, 'container-netns-path': 'web', labels: [] }, /id/],
    ['an interface name too long', { 'container-netns-path': 'web', labels: [], 'container-interface-name': 'a'.repeat(16) }, /15 characters/],
    ['an MTU too small for IPv6', { 'container-netns-path': 'web', labels: [], mtu: 1000 }, /mtu/],
  ])('refuses %s', (_, value, message) => {
    const result = EndpointChangeRequest.safeParse(value);
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toMatch(message);
  });
});

describe('TraceRequest', () => {
  it('wants exactly one way of naming a peer', () => {
    expect(TraceRequest.safeParse({ from: { labels: ['a'], ip: '10.0.0.1' }, to: { identity: 2 } }).success).toBe(false);
    expect(TraceRequest.parse({ from: { endpoint: 5 }, to: { ip: '10.0.0.1' }, port: 80 })).toMatchObject({ protocol: 'TCP' });
  });
});

describe('MonitorEvent', () => {
  it('tells its kinds apart by type', () => {
    expect(MonitorEvent.safeParse({ type: 'lost', timestamp: 't', where: 'reader', count: 1 }).success).toBe(true);
    expect(MonitorEvent.safeParse({ type: 'drop', timestamp: 't' }).success).toBe(false);
  });
});
