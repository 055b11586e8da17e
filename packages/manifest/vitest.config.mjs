import { projects } from '../../tools/config/vitest.base.mjs';

export default projects(import.meta.dirname);
