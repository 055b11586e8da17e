import { projects } from '../../tools/config/vitest.base.mjs';

const config = projects(import.meta.dirname);
const [unit] = config.test.projects;
// What takes longer than one waits for: `npm run test:long`.
config.test.projects.push({ ...unit, test: { ...unit.test, name: 'long', include: ['test/oracle/long/*.ts'] } });

export default config;
