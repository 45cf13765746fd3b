import { fillIn } from './texts.js';

fillIn();
