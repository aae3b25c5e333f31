// Entry of the app: the source of randomness first, since the SDK asks for it when a client is made.
import 'react-native-get-random-values';
import { registerRootComponent } from 'expo';
import { App } from './app.tsx';

registerRootComponent(App);
