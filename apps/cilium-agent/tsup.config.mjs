import { app } from '../../tools/config/tsup.base.mjs';

export default app();
