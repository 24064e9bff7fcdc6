"use strict";exports.id=5619,exports.ids=[5619],exports.modules={45619:((D,E,_)=>{_.r(E),_.d(E,{lookupOutside:()=>s.S,refuseInside:()=>s.N});var s=_(27394),M=_(43132),O=_(49809),P=_(82971)})};
