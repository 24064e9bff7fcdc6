"use strict";exports.id=2075,exports.ids=[2075],exports.modules={82075:((s,D,_)=>{_.d(D,{networkFault:()=>E.T});var E=_(58217),M=_(49809),P=_(82971)})};
