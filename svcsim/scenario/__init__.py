from svcsim.scenario._standin import *
