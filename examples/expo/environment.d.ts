// What Expo puts into a bundle, value by value.
declare const process: { readonly env: { readonly EXPO_PUBLIC_RELAY?: string; readonly EXPO_PUBLIC_PIN?: string } };
