import { library } from '../config/tsup.base.mjs';

export default library();
