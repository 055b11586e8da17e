import { library } from '../../tools/config/tsup.base.mjs';

export default library();
