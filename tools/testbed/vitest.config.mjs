import { projects } from '../config/vitest.base.mjs';

export default projects(import.meta.dirname);
