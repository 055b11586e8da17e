import { native } from './native.ts';

/** The version of libbpf inside, such as `1.1`. */
export const libbpfVersion = (): string => native().libbpfVersion().replace(/^v/, '');
