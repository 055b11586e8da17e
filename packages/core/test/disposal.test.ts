import { describe, expect, it } from 'vitest';
import { createDisposalStack } from '../src/index.ts';

describe('createDisposalStack', () => {
  it('undoes in reverse, once, waiting for each', async () => {
    const order: string[] = [];
    const stack = createDisposalStack();
    stack.defer(() => void order.push('first'));
    const resource = stack.use({
      close: async () => {
        await Promise.resolve();
        order.push('second');
      },
    });
    expect(resource.close).toBeTypeOf('function');
    await Promise.all([stack.close(), stack.close()]);
    expect(order).toEqual(['second', 'first']);
  });

  it('goes on after a failure and reports it', async () => {
    const order: string[] = [];
    const stack = createDisposalStack();
    const failure = new Error('first');
    stack.defer(() => {
      throw failure;
    });
    stack.defer(() => void order.push('second'));
    await expect(stack.close()).rejects.toBe(failure);
    await expect(stack.close()).rejects.toBe(failure);
    expect(order).toEqual(['second']);
  });

  it('reports several failures together', async () => {
    const stack = createDisposalStack();
    for (const name of ['a', 'b']) stack.defer(() => Promise.reject(new Error(name)));
    const error = await stack.close().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors.map((each: Error) => each.message)).toEqual(['b', 'a']);
  });

  it('hands its duty over', async () => {
    const order: string[] = [];
    const stack = createDisposalStack();
    stack.defer(() => void order.push('undone'));
    const moved = stack.move();
    await stack[Symbol.asyncDispose]();
    expect(order).toEqual([]);
    expect(() => stack.defer(() => undefined)).toThrow(TypeError);
    expect(() => stack.move()).toThrow(TypeError);
    await moved[Symbol.asyncDispose]();
    expect(order).toEqual(['undone']);
  });
});
