import { app } from '../config/tsup.base.mjs';

export default app();
